import Authentication
import Foundation
import NIOCore

/// The views of operators by STOMP: a SEND to `/app/operator` with `{"view":"overview"}` and the view's parameters.
public struct OperatorCommand: AppCommand {
    public let name = "operator"
    public let isQuestion = true
    public let isForOperators = true
    private let views: OperatorViews

    public init(views: OperatorViews) { self.views = views }

    public func run(_ request: CommandRequest, by identity: Identity) async throws(CommandRefusal) -> CommandReply? {
        // Before anything of theirs is read.
        try OperatorRights.require(.view, identity)
        guard var given = try? JSONDecoder().decode([String: String].self, from: Data(request.body.readableBytesView)),
            let view = given.removeValue(forKey: "view")
        else {
            throw CommandRefusal(
                .invalid, #"the body is not as in {"view":"messages","receiver":"alice"}: names and texts."#)
        }
        guard let answer = try await views.show(view, given, to: identity) else {
            throw CommandRefusal(.invalid, "there is nothing with this id.")
        }
        return CommandReply(json: answer)
    }
}
