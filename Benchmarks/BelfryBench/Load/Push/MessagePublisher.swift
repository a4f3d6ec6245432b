/// Publishes numbered messages to a server under test, from one thread.
protocol MessagePublisher: AnyObject {
    /// Queues a message for the receiver of this number.
    func add(_ receiver: Int, number: Int, payload: [UInt8])
    /// Sends what was queued.
    func flush() throws
    /// Reads answers until at most `count` messages are unanswered.
    ///
    /// - Throws: when one was refused, or had no subscriber.
    func awaitAnswers(leaving count: Int) throws
}
