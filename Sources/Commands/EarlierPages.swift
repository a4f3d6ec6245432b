import Authentication
import BelfryModel
import NIOCore

/// What pages of the design before Belfry ask for while they are being developed, under the names that they know.
public enum EarlierPages {
    /// The topic of what is for everybody.
    public static let topic = "messages"

    /// A SEND to `/app/sendMessage` broadcasts its body as a text.
    public struct Broadcast: AppCommand {
        public let name = "sendMessage"
        private let notify: SendNotification

        public init(notify: SendNotification) { self.notify = notify }

        public func run(
            _ request: CommandRequest, by identity: Identity
        ) async throws(CommandRefusal) -> CommandReply? {
            _ = try await notify.run(to: .topic(EarlierPages.topic), text: String(buffer: request.body))
            return nil
        }
    }
}
