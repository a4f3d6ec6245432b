import ArgumentParser
import Authentication
import Foundation
import JWTAuthentication
import JWTKit

/// `belfry token`: makes a token with the shared secret, for trying things out.
struct TokenCommand: BelfrySubcommand {
    static let configuration = CommandConfiguration(
        commandName: "token",
        abstract: "Print a token for a user, signed with the secret.",
        discussion: """
            Needs jwt.secret (BELFRY_JWT_SECRET). The token is HS256 and carries jwt.issuer and jwt.audience where \
            they are set.
            """)

    @OptionGroup var options: ConfigurationOptions

    @Option(help: "The user's id.")
    var user: String

    @Option(help: ArgumentHelp("How long it is valid: \(DurationText.hint).", valueName: "duration"))
    var expires = "1h"

    @Option(
        help: ArgumentHelp(
            "A pattern of topics that the user may subscribe to; may be repeated; every topic when absent.",
            valueName: "pattern"))
    var subscribe: [String] = []

    @Flag(help: "The user may subscribe to no topic.")
    var subscribeNone = false

    @Option(
        help: ArgumentHelp(
            "A pattern of destinations that the user may send to, such as '/topic/chat/*' or '/user/*/queue/msg'; may "
                + "be repeated; none when absent.",
            valueName: "pattern"))
    var send: [String] = []

    @Flag(
        name: .customLong("operator"),
        help: "The user is an operator: may see others' messages and sessions, and replay, cancel and disconnect.")
    var isOperator = false

    @Flag(name: .customLong("operator-view"), help: "The user may see what operators see, and change nothing.")
    var isViewer = false

    func validate() throws {
        guard Identity.isValid(user: user) else {
            throw ValidationError(
                "--user must be 1 to \(Identity.userBytesMax) bytes of UTF-8 in composed form, no control characters.")
        }
        guard Rights.patterns(subscribe) != nil, Rights.patterns(send) != nil else {
            throw ValidationError(
                "--subscribe and --send must be patterns of destinations, such as /topic/news, /topic/orders/* or "
                    + "/user/**, \(Rights.patternsMax) at most.")
        }
        guard subscribe.isEmpty || !subscribeNone else {
            throw ValidationError("--subscribe and --subscribe-none exclude each other.")
        }
        guard let lifetime = DurationText.parse(expires), lifetime >= .seconds(1) else {
            throw ValidationError("--expires must be \(DurationText.hint), and at least a second, not '\(expires)'.")
        }
    }

    func execute() async throws {
        let configuration = try await options.load()
        guard let secret = configuration.jwtSecret else {
            throw CommandFailure(
                "A token needs the secret that the nodes verify with: set jwt.secret (BELFRY_JWT_SECRET) in the "
                    + "environment or in the configuration file.")
        }
        let lifetime = DurationText.parse(expires) ?? .seconds(3_600)
        print(
            try await Self.token(
                user: user, expiresAt: Date().addingTimeInterval(Double(lifetime.components.seconds)), secret: secret,
                issuer: configuration.jwtIssuer, audience: configuration.jwtAudience,
                subscribe: subscribe.isEmpty && !subscribeNone ? nil : subscribe, send: send.isEmpty ? nil : send,
                operatorRight: isOperator ? .act : isViewer ? .view : .none))
    }

    /// A token signed with HS256.
    ///
    /// - Parameters:
    ///   - subscribe: the claim `belfry.subscribe`; `nil` leaves it out.
    ///   - send: the claim `belfry.send`; `nil` leaves it out.
    ///   - operatorRight: the claim `belfry.operator`; `none` leaves it out.
    static func token(
        user: String, expiresAt: Date, secret: String, issuer: String?, audience: String?,
        subscribe: [String]? = nil, send: [String]? = nil, operatorRight: OperatorRight = .none
    ) async throws -> String {
        // Refuses what the nodes would refuse, before jwt-kit meets it.
        _ = try await JWTKeys.secret(secret)
        let keys = await JWTKeyCollection().add(hmac: HMACKey(from: secret), digestAlgorithm: .sha256)
        let now = Date()
        return try await keys.sign(
            Payload(
                sub: user, iat: Int(now.timeIntervalSince1970), exp: Int(expiresAt.timeIntervalSince1970), iss: issuer,
                aud: audience, subscribe: subscribe, send: send,
                right: operatorRight == .none ? nil : operatorRight))
    }

    private struct Payload: JWTPayload {
        let sub: String
        let iat: Int
        let exp: Int
        let iss: String?
        let aud: String?
        let subscribe: [String]?
        let send: [String]?
        let right: OperatorRight?

        enum CodingKeys: String, CodingKey {
            case sub, iat, exp, iss, aud
            case subscribe = "belfry.subscribe"
            case send = "belfry.send"
            case right = "belfry.operator"
        }

        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(sub, forKey: .sub)
            try container.encode(iat, forKey: .iat)
            try container.encode(exp, forKey: .exp)
            try container.encodeIfPresent(iss, forKey: .iss)
            try container.encodeIfPresent(aud, forKey: .aud)
            try container.encodeIfPresent(subscribe, forKey: .subscribe)
            try container.encodeIfPresent(send, forKey: .send)
            switch right {
            case .act: try container.encode(true, forKey: .right)
            case .view: try container.encode("view", forKey: .right)
            case .some(.none), nil: break
            }
        }

        /// Only signed here, never verified.
        func verify(using algorithm: some JWTAlgorithm) async throws {}
    }
}
