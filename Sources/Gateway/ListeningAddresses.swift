import Listening
import NIOConcurrencyHelpers
import NIOCore

/// Where a node listens.
public struct ListeningAddresses: Sendable {
    public let http: SocketAddress
    /// `nil` where no STOMP over TCP is served.
    public let stomp: SocketAddress?
    /// `nil` where the operators' console has no port of its own.
    public let console: SocketAddress?

    public init(http: SocketAddress, stomp: SocketAddress?, console: SocketAddress? = nil) {
        self.http = http
        self.stomp = stomp
        self.console = console
    }
}

/// Where the server listens, for whoever waits to know.
final class ListeningState: Sendable {
    private enum State {
        case waiting([CheckedContinuation<ListeningAddresses, any Error>])
        case listening(ListeningAddresses)
        case failed(any Error)
    }

    private let state = NIOLockedValueBox(State.waiting([]))

    func wait() async throws -> ListeningAddresses {
        try await withCheckedThrowingContinuation { continuation in
            state.withLockedValue { state in
                switch state {
                case .waiting(let waiting): state = .waiting(waiting + [continuation])
                case .listening(let address): continuation.resume(returning: address)
                case .failed(let error): continuation.resume(throwing: error)
                }
            }
        }
    }

    func succeed(_ addresses: ListeningAddresses) {
        finish(.listening(addresses)) { $0.resume(returning: addresses) }
    }

    func fail(_ error: any Error) {
        finish(.failed(error)) { $0.resume(throwing: error) }
    }

    private func finish(_ end: State, _ resume: (CheckedContinuation<ListeningAddresses, any Error>) -> Void) {
        let waiting: [CheckedContinuation<ListeningAddresses, any Error>] = state.withLockedValue { state in
            guard case .waiting(let waiting) = state else { return [] }
            state = end
            return waiting
        }
        waiting.forEach(resume)
    }
}

/// The ports of a node as they are bound; the last of them says that the node listens.
final class BoundPorts: Sendable {
    private let count: Int
    private let state: ListeningState
    private let addresses = NIOLockedValueBox<[ListenerPort: SocketAddress]>([:])

    init(count: Int, _ state: ListeningState) {
        self.count = count
        self.state = state
    }

    func bound(_ port: ListenerPort, _ address: SocketAddress) {
        let all = addresses.withLockedValue { addresses in
            addresses[port] = address
            return addresses
        }
        guard all.count == count, let http = all[.http] else { return }
        state.succeed(ListeningAddresses(http: http, stomp: all[.stomp], console: all[.console]))
    }
}
