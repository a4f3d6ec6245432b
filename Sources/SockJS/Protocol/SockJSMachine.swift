/// A session between the requests of its client: at most one of them is open to be answered by its frames. Pure.
struct SockJSMachine: ~Copyable {
    /// What a request gets that wants to be answered by the session's frames.
    enum Arrival: Equatable {
        /// The session begins with it.
        case open
        /// It takes over what has waited.
        case resume
        /// This, and nothing else; the session goes on.
        case refuse(CloseFrame)
        /// What is left, and this at the end.
        case farewell(CloseFrame)
    }

    private enum State {
        /// No request has come yet.
        case new
        /// Open, and no request is there to be answered.
        case waiting
        case answering
        /// Over; requests are told so for a while.
        case ended(CloseFrame)
    }

    private var state = State.new

    /// Whether messages go both ways.
    var isOpen: Bool {
        switch state {
        case .waiting, .answering: true
        case .new, .ended: false
        }
    }

    /// Whether a request is there to be answered.
    var isAnswering: Bool {
        switch state {
        case .answering: true
        case .new, .waiting, .ended: false
        }
    }

    var isEnded: Bool {
        switch state {
        case .ended: true
        case .new, .waiting, .answering: false
        }
    }

    /// A request wants to be answered by frames.
    mutating func requestArrived() -> Arrival {
        switch state {
        case .new:
            state = .answering
            return .open
        case .waiting:
            state = .answering
            return .resume
        case .answering:
            return .refuse(.alreadyOpen)
        case .ended(let frame):
            return .farewell(frame)
        }
    }

    /// The response has ended as it should, with or without the session.
    mutating func responseEnded() {
        switch state {
        case .answering: state = .waiting
        case .new, .waiting, .ended: break
        }
    }

    /// A response broke off. Returns whether that ends the session: nobody knows what of it has arrived.
    mutating func responseLost() -> Bool { close(.interrupted) }

    /// The session ends. Returns `false` when it had ended before.
    mutating func close(_ frame: CloseFrame) -> Bool {
        switch state {
        case .new, .waiting, .answering:
            state = .ended(frame)
            return true
        case .ended:
            return false
        }
    }
}
