import NIOCore

/// Asks the program for tokens, for a connection and, in time, for one that is there.
///
/// Unchecked: its variables are touched on its event loop only.
final class TokenExchange: @unchecked Sendable {
    /// The program is to be asked once for each element; ends with the client.
    let wanted: AsyncStream<Void>
    private let want: AsyncStream<Void>.Continuation
    private let eventLoop: any EventLoop
    /// Whether there can be another token than the first.
    private let hasFreshTokens: Bool
    private var isWanted = false
    private var refresh = RefreshMachine()
    private var timer: Scheduled<Void>?

    init(eventLoop: any EventLoop, hasFreshTokens: Bool) {
        self.eventLoop = eventLoop
        self.hasFreshTokens = hasFreshTokens
        (wanted, want) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// Has the program asked, unless it is being asked already.
    func ask() {
        guard !isWanted else { return }
        isWanted = true
        want.yield()
    }

    /// The program gave a token.
    ///
    /// - Returns: whether it is to be sent to the server, by the connection that is there.
    func received() -> Bool {
        isWanted = false
        return refresh.tokenReceived()
    }

    /// The program could not give a token.
    func failed() {
        isWanted = false
        refresh.tokenFailed(at: eventLoop.now)
        schedule()
    }

    /// The server told how long the session lasts.
    ///
    /// - Parameter left: the header `expires-in`, in milliseconds.
    func sessionLasts(_ left: String?) {
        guard hasFreshTokens else { return }
        refresh.sessionLasts(left.flatMap { Int64($0) }, from: eventLoop.now)
        schedule()
    }

    func sessionEnded() {
        refresh.sessionEnded()
        schedule()
    }

    func close() {
        sessionEnded()
        want.finish()
    }

    private func schedule() {
        timer?.cancel()
        timer = refresh.deadline.map { deadline in
            eventLoop.scheduleTask(deadline: deadline) {
                if self.refresh.ticked(at: self.eventLoop.now) { self.ask() }
            }
        }
    }
}
