import NIOCore

/// The response to one request, for the session whose frames it is made of. The session may be on another event loop
/// than the connection.
final class ResponseStream: Sendable {
    /// What comes behind a frame.
    enum Ending {
        case none
        /// The response ends, and the client asks for the next.
        case response
        /// The same, and the session is over: nobody need wait for a client that does not take it.
        case session
    }

    /// Called on the connection's event loop, for each frame.
    typealias Write = @Sendable (_ frame: ByteBuffer, _ ending: Ending, _ promise: EventLoopPromise<Void>) -> Void

    let form: ResponseForm
    /// The name of the client's function, for the forms that need one.
    let callback: String
    private let eventLoop: any EventLoop
    private let write: Write
    private let cut: @Sendable () -> Void

    /// - Parameters:
    ///   - eventLoop: the connection's.
    ///   - cut: ends the connection; called on its event loop.
    init(
        form: ResponseForm, callback: String, eventLoop: any EventLoop, write: @escaping Write,
        cut: @escaping @Sendable () -> Void
    ) {
        self.form = form
        self.callback = callback
        self.eventLoop = eventLoop
        self.write = write
        self.cut = cut
    }

    /// Ends the connection: what was written and its socket has not taken is dropped.
    func abort() {
        if eventLoop.inEventLoop { cut() } else { eventLoop.execute(cut) }
    }

    /// A frame as it stands in the response.
    func frame(_ payload: ByteBuffer) -> ByteBuffer { form.frame(payload, callback: callback) }

    /// Writes a frame.
    ///
    /// - Parameters:
    ///   - frame: as `frame(_:)` makes it.
    ///   - ending: what comes behind it.
    ///   - sessionLoop: where `written` is called: with `true` once the bytes have left for the socket, with `false`
    ///     when they can't.
    func write(
        _ frame: ByteBuffer, _ ending: Ending, on sessionLoop: any EventLoop,
        written: @escaping @Sendable (_ isWritten: Bool) -> Void
    ) {
        let promise = eventLoop.makePromise(of: Void.self)
        promise.futureResult.whenComplete { result in
            let isWritten = if case .success = result { true } else { false }
            if sessionLoop.inEventLoop { written(isWritten) } else { sessionLoop.execute { written(isWritten) } }
        }
        if eventLoop.inEventLoop {
            write(frame, ending, promise)
        } else {
            let write = write
            eventLoop.execute { write(frame, ending, promise) }
        }
    }
}
