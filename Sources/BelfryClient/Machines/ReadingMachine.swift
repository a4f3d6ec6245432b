/// Decides whether the socket is read: not while more messages wait for the program than it has room for.
///
/// While the program waits for an answer of the server's the socket is read on, up to four times as far, as the answer
/// may stand behind messages that only the waiting task would take.
struct ReadingMachine: Sendable {
    private static let overfullFactor = 4

    private let messagesMax: Int
    private let bytesMax: Int
    private(set) var messages = 0
    private(set) var bytes = 0
    private var isFull = false
    private var isOverfull = false
    private var isAnswerAwaited = false

    /// - Parameters:
    ///   - messagesMax: that wait at a time, of all subscriptions; what one read of the socket brings comes on top.
    ///   - bytesMax: of their bodies.
    init(messagesMax: Int, bytesMax: Int) {
        self.messagesMax = max(1, messagesMax)
        self.bytesMax = max(1, bytesMax)
    }

    var mayRead: Bool { !isFull || (isAnswerAwaited && !isOverfull) }

    /// A message waits for the program.
    mutating func buffered(bytes: Int) {
        messages += 1
        self.bytes += bytes
        update()
    }

    /// The program took messages, or wants them no more.
    mutating func taken(messages: Int, bytes: Int) {
        self.messages -= messages
        self.bytes -= bytes
        update()
    }

    mutating func answerAwaited(_ isAwaited: Bool) {
        isAnswerAwaited = isAwaited
    }

    /// Once full it reads on when half of it is taken, so that it does not stop and go with each message.
    private mutating func update() {
        isFull = isAbove(isFull ? 0.5 : 1)
        isOverfull = isAbove(Double(Self.overfullFactor) * (isOverfull ? 0.5 : 1))
    }

    private func isAbove(_ share: Double) -> Bool {
        Double(messages) > Double(messagesMax) * share || Double(bytes) > Double(bytesMax) * share
    }
}
