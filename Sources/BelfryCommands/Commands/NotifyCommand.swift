import ArgumentParser
import BelfryModel
import Foundation
import Outbox

/// `belfry notify`: sends one notification, as an INSERT would.
struct NotifyCommand: BelfrySubcommand {
    static let configuration = CommandConfiguration(
        commandName: "notify", abstract: "Send a notification to a user or a topic and print its id.")

    @OptionGroup var options: ConfigurationOptions

    @Option(help: "The user who gets it.")
    var user: String?

    @Option(help: "The topic whose subscribers get it.")
    var topic: String?

    @Option(help: "A registered type, such as JSON_MSG or STRING_MSG.")
    var type: String

    @Option(help: ArgumentHelp("The content, as the type's schema requires it.", valueName: "json"))
    var data: String

    @Option(help: ArgumentHelp("Headers for the client, as a JSON object.", valueName: "json"))
    var headers: String?

    @Option(
        name: .customLong("not-before"),
        help: ArgumentHelp("When to deliver it: \(TimePoint.hint) from now.", valueName: "time"))
    var notBefore: String?

    @Option(help: ArgumentHelp("When it is no longer worth delivering: the same forms.", valueName: "time"))
    var expires: String?

    @Option(
        name: .customLong("idempotency-key"), help: "A second notification with the same key is not sent.")
    var idempotencyKey: String?

    func validate() throws {
        guard (user == nil) != (topic == nil) else {
            throw ValidationError("Give either --user or --topic.")
        }
        try Self.requireJSON(data, option: "--data", hint: "a string needs quotes of its own, such as '\"hello\"'")
        if let headers { try Self.requireJSON(headers, option: "--headers", hint: "such as '{\"traceparent\":\"…\"}'") }
        _ = try message()
    }

    func execute() async throws {
        let message = try message()
        print(try await OperatorConnection.with(try await options.load()) { try await $0.send(message) })
    }

    private func message() throws -> NewMessage {
        NewMessage(
            to: topic.map { .topic($0) } ?? .user(user ?? ""), type: type, data: data, headers: headers,
            notBefore: try Self.time(notBefore, option: "--not-before"),
            expiresAt: try Self.time(expires, option: "--expires"), idempotencyKey: idempotencyKey)
    }

    private static func time(_ text: String?, option: String) throws -> String? {
        guard let text else { return nil }
        guard let time = TimePoint(parsing: text, .fromNow) else {
            throw ValidationError("\(option) must be \(TimePoint.hint) from now, not '\(text)'.")
        }
        return time.text
    }

    private static func requireJSON(_ text: String, option: String, hint: String) throws {
        guard (try? JSONSerialization.jsonObject(with: Data(text.utf8), options: .fragmentsAllowed)) != nil else {
            throw ValidationError("\(option) is not JSON: \(hint).")
        }
    }
}
