import Authentication
import Foundation
import HTTPServer
import HTTPTypes
import Hummingbird
import Logging
import Metrics
import NIOConcurrencyHelpers
import NIOCore

/// Finds out whose a request is, by what CONNECT takes as well: `Authorization: Bearer <token>`, the token alone, or
/// `Basic` with a login and its password (RFC 6750, RFC 7617).
struct RequestAuthentication: Sendable {
    private let authenticator: any Authenticator
    private let isRefused: @Sendable (Identity) -> Bool
    private let waitingMax: Int
    private let logger: Logger
    /// Requests that wait for others to say whose they are.
    private let waiting = NIOLockedValueBox(0)

    init(
        authenticator: any Authenticator, isRefused: @escaping @Sendable (Identity) -> Bool, waitingMax: Int,
        logger: Logger
    ) {
        self.authenticator = authenticator
        self.isRefused = isRefused
        self.waitingMax = waitingMax
        self.logger = logger
    }

    func identity(of request: Request, _ context: NodeRequestContext) async throws(Problem) -> Identity {
        let address = context.client(of: request)?.description
        let credentials = try credentials(of: request, from: address)
        do throws(AuthenticationError) {
            var identity = try await known(credentials)
            identity.token = TokenFingerprint(credentials)
            guard identity.expiresAt.map({ $0 > Date() }) ?? true else {
                throw AuthenticationError(.expired, "The token has expired.")
            }
            guard !isRefused(identity) else {
                throw AuthenticationError(.refused, "an operator has refused this token; get another.")
            }
            return identity
        } catch {
            Counter(label: "belfry_tokens_refused_total", dimensions: [("reason", error.code.description)]).increment()
            logger.info(
                "A request was refused",
                metadata: ["address": "\(address ?? "unknown")", "reason": "\(error.detail)"])
            throw Self.problem(error)
        }
    }

    private func known(_ credentials: Credentials) async throws(AuthenticationError) -> Identity {
        switch authenticator.authenticate(credentials) {
        case .now(let answer): return try answer.get()
        case .later(let question):
            let isIn = waiting.withLockedValue { waiting in
                guard waiting < waitingMax else { return false }
                waiting += 1
                return true
            }
            guard isIn else {
                throw AuthenticationError(
                    .unavailable, "too many clients are being checked now; try again later.",
                    detail: "More than \(waitingMax) requests were waiting to be checked (limits.authenticationsMax).")
            }
            defer { waiting.withLockedValue { $0 -= 1 } }
            return try await question().get()
        }
    }

    private func credentials(of request: Request, from address: String?) throws(Problem) -> Credentials {
        let values = request.headers[values: .authorization]
        guard values.count <= 1 else {
            throw .invalid("There are \(values.count) Authorization headers; a request has one at most.")
        }
        var credentials = Credentials(address: address)
        for field in request.headers
        where authenticator.fields.contains(where: { $0.lowercased() == field.name.canonicalName }) {
            credentials.fields.append((field.name.rawName, field.value))
        }
        guard let value = values.first else { return credentials }
        credentials.headers = [("Authorization", value)]
        let words = value.split(separator: " ", maxSplits: 1).map(String.init)
        if words.count == 2, words[0].lowercased() == "basic" {
            guard let bytes = Data(base64Encoded: words[1]), let text = String(validating: bytes, as: UTF8.self),
                let colon = text.firstIndex(of: ":")
            else {
                throw Problem(
                    .unauthorized, "unauthorized",
                    "Authorization: Basic is followed by a login, a colon and its password, in base64 (RFC 7617).",
                    fields: [.wwwAuthenticate: "Basic"])
            }
            credentials.login = String(text[..<colon])
            credentials.passcode = String(text[text.index(after: colon)...])
        } else if words.count == 2, words[0].lowercased() == "bearer" {
            credentials.token = words[1].trimmingCharacters(in: .whitespaces)
        } else {
            credentials.token = value
        }
        return credentials
    }

    private static func problem(_ error: AuthenticationError) -> Problem {
        let detail = error.message.prefix(1).uppercased() + error.message.dropFirst()
        switch error.code {
        case .unavailable: return .later(.serviceUnavailable, "unavailable", detail, seconds: 10)
        case .forbidden: return Problem(.forbidden, "forbidden", detail)
        case .missing:
            // What CONNECT needs a request does not have by the same name.
            return Problem(
                .unauthorized, "unauthorized",
                "Say whose request this is: Authorization: Bearer <token>, or Basic with a login and its password.",
                fields: [.wwwAuthenticate: "Bearer"])
        default:
            return Problem(
                .unauthorized, "unauthorized", detail, fields: [.wwwAuthenticate: "Bearer error=\"invalid_token\""])
        }
    }
}
