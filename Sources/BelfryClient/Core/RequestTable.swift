import NIOCore
import STOMP

/// Runs the actions of `RequestMachine`: promises to those who asked, and a timer for those who wait too long.
///
/// Unchecked: its variables are touched on its event loop only.
final class RequestTable: @unchecked Sendable {
    typealias Request = RequestMachine<EventLoopPromise<Frame>>.Request

    /// By which whoever asked can take the question back.
    final class Ticket: @unchecked Sendable {
        fileprivate var number = 0
        fileprivate var isCancelled = false
    }

    private let eventLoop: any EventLoop
    private let timeout: TimeAmount
    private var machine: RequestMachine<EventLoopPromise<Frame>>
    private var timer: Scheduled<Void>?
    /// Told whether the server owes an answer.
    private let budget: ReadingBudget

    /// - Parameter timeout: of each request.
    init(eventLoop: any EventLoop, timeout: Duration, requestsMax: Int, budget: ReadingBudget) {
        self.eventLoop = eventLoop
        self.timeout = TimeAmount(timeout)
        self.budget = budget
        machine = RequestMachine(requestsMax: requestsMax)
    }

    /// Whether a command has been asked, whose answer has to be subscribed to.
    var needsReplies: Bool { machine.needsReplies }

    /// - Parameter send: gets the frame, if there is a connection.
    func ask(_ request: Request, _ ticket: Ticket, send: (Frame) -> Void) -> EventLoopFuture<Frame> {
        guard !ticket.isCancelled else { return eventLoop.makeFailedFuture(CancellationError()) }
        let promise = eventLoop.makePromise(of: Frame.self)
        switch machine.asked(request, by: promise, until: eventLoop.now + timeout, number: &ticket.number) {
        case .wait: break
        case .send(let frame): send(frame)
        case .refuse(let error): promise.fail(error)
        }
        changed()
        return promise.futureResult
    }

    func cancel(_ ticket: Ticket) {
        ticket.isCancelled = true
        machine.cancelled(ticket.number)?.fail(CancellationError())
        changed()
    }

    /// - Returns: what is to be sent.
    func connected() -> [Frame] {
        defer { changed() }
        return machine.connected()
    }

    func disconnected() {
        for (promise, error) in machine.disconnected() { promise.fail(error) }
        changed()
    }

    func receiptReceived(_ receipt: String, _ headers: Headers) {
        machine.receiptReceived(receipt)?.succeed(Frame(.receipt, headers))
        changed()
    }

    /// An answer to a command.
    func replyReceived(_ frame: Frame) {
        guard let correlation = frame.headers["correlation-id"], let promise = machine.replyReceived(correlation) else {
            return
        }
        if let error = BelfryClientError(refusal: frame) { promise.fail(error) } else { promise.succeed(frame) }
        changed()
    }

    /// The server ended the session for a request.
    ///
    /// - Returns: whether it was one.
    func refused(_ receipt: String, _ error: BelfryClientError) -> Bool {
        guard let promise = machine.refused(receipt) else { return false }
        promise.fail(error)
        changed()
        return true
    }

    func closed(_ error: BelfryClientError) {
        for promise in machine.closed() { promise.fail(error) }
        changed()
    }

    private func changed() {
        budget.answerAwaited(machine.isAnswerAwaited)
        guard timer == nil, let deadline = machine.nextDeadline else { return }
        timer = eventLoop.scheduleTask(deadline: deadline) {
            self.timer = nil
            for promise in self.machine.expired(at: self.eventLoop.now) {
                promise.fail(BelfryClientError(.timedOut, "The server did not answer in time."))
            }
            self.changed()
        }
    }
}
