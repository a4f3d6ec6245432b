import Authentication
import Foundation
import Logging
import Metrics
import NIOCore
import OutgoingHTTP

/// Asks the application by HTTP who a client is: a GET that carries header fields of the client's, answered by JSON.
///
/// 200 with a user lets the client in, 401 refuses it, 403 says that its user may not connect. Every other answer, and
/// none in time, is a fault of the application's: the client is told to come back.
public struct HTTPAuthenticator: Authenticator {
    /// How the application is asked.
    public struct Settings: Sendable {
        /// `http` or `https`.
        public var url: String
        /// Names of header fields that are passed on, of CONNECT's headers or else of the HTTP request's that the
        /// connection began with.
        public var fields: [String]
        /// For one question.
        public var timeout: Duration
        /// How long a good answer is used again for the same fields; zero for not at all.
        public var cacheFor: Duration

        public init(
            url: String, fields: [String] = ["Authorization", "Cookie"], timeout: Duration = .seconds(5),
            cacheFor: Duration = .zero
        ) {
            self.url = url
            self.fields = fields
            self.timeout = timeout
            self.cacheFor = cacheFor
        }
    }

    /// Bytes of an answer at most: rights of a hundred patterns fit in it.
    static let answerBytesMax = 64 * 1024

    private let settings: Settings
    private let client: OutgoingHTTPClient
    private let cache: AnswerCache?
    private let logger: Logger
    private let seconds = Timer(label: "belfry_authentication_seconds")

    public init(settings: Settings, client: OutgoingHTTPClient, logger: Logger) {
        self.settings = settings
        self.client = client
        self.logger = logger
        cache = settings.cacheFor > .zero ? AnswerCache(lifetime: settings.cacheFor) : nil
    }

    public var fields: [String] { settings.fields }

    public func authenticate(_ credentials: Credentials) -> AuthenticationAnswer {
        let fields: [(name: String, value: String)]
        do throws(AuthenticationError) {
            fields = try ForwardedFields.make(of: credentials, named: settings.fields)
        } catch {
            return .now(.failure(error))
        }
        if let identity = cache?.identity(for: fields) { return .now(.success(identity)) }
        let address = credentials.address.map { [(name: "X-Forwarded-For", value: $0)] } ?? []
        return .later { await ask(fields, address) }
    }

    private func ask(
        _ fields: [(name: String, value: String)], _ address: [(name: String, value: String)]
    ) async -> Result<Identity, AuthenticationError> {
        let start = ContinuousClock.now
        defer {
            let elapsed = (ContinuousClock.now - start).components
            seconds.recordNanoseconds(elapsed.seconds &* 1_000_000_000 &+ elapsed.attoseconds / 1_000_000_000)
        }
        do throws(OutgoingHTTPError) {
            let answer = try await client.ask(
                OutgoingRequest(.get, settings.url, fields: [("Accept", "application/json")] + fields + address),
                timeout: settings.timeout, bytesMax: Self.answerBytesMax)
            let result = Self.result(of: answer)
            if case .success(let identity) = result { cache?.remember(identity, for: fields) }
            return result
        } catch {
            return .failure(Self.fault("The application (httpAuth.url) was asked who a client is, and \(error)."))
        }
    }

    private static func result(of answer: OutgoingAnswer) -> Result<Identity, AuthenticationError> {
        switch answer.status {
        case 200:
            do {
                return .success(try ApplicationAnswer(parsing: answer.body).identity())
            } catch let error as AuthenticationError {
                return .failure(error)
            } catch {
                return .failure(
                    fault("The application's answer 200 is not a JSON object with a 'user': \(error)."))
            }
        case 401:
            return .failure(
                AuthenticationError(
                    .refused, "Who you are was not accepted.", detail: "The application answered 401."))
        case 403:
            return .failure(
                AuthenticationError(
                    .forbidden, "You may not connect here.", detail: "The application answered 403."))
        default:
            return .failure(fault("The application answered \(answer.status); 200, 401 or 403 is wanted."))
        }
    }

    static func fault(_ detail: String) -> AuthenticationError {
        AuthenticationError(.unavailable, "Who you are can't be checked now; connect again later.", detail: detail)
    }
}
