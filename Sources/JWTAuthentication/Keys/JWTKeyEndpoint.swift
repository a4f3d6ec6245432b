import Foundation
import Logging
import Metrics
import OutgoingHTTP

/// Keys that an issuer publishes as a JWKS under a URL: fetched again from time to time, and when a token names a key
/// that is not known.
///
/// Keys that were fetched stay as long as the issuer is away, or answers with what can't be used. Tokens with invented
/// key ids cause no more than one fetch in `pauseMin`.
public actor JWTKeyEndpoint {
    /// How a fetch may go.
    public struct Pace: Sendable {
        /// Between two fetches that nothing asks for.
        public var interval: Duration
        /// Between two fetches at least.
        public var pauseMin: Duration
        /// For one fetch.
        public var timeout: Duration

        public init(interval: Duration, pauseMin: Duration = .seconds(10), timeout: Duration) {
            self.interval = interval
            self.pauseMin = pauseMin
            self.timeout = timeout
        }
    }

    private let url: String
    /// All of the URL that is told: the rest may hold a password or an API key.
    private let host: String
    private let client: OutgoingHTTPClient
    private let ring: JWTKeyRing
    private let pace: Pace
    private let logger: Logger
    private let fetches = Counter(label: "belfry_key_fetches_total")
    private let failures = Counter(label: "belfry_key_fetch_failures_total")
    private var underWay: Task<Bool, Never>?
    private var lastFetch: (at: ContinuousClock.Instant, succeeded: Bool)?

    /// - Parameters:
    ///   - url: `http` or `https`.
    ///   - ring: where the keys go.
    public init(url: String, client: OutgoingHTTPClient, ring: JWTKeyRing, pace: Pace, logger: Logger) {
        self.url = url
        host = URLComponents(string: url)?.host ?? ""
        self.client = client
        self.ring = ring
        self.pace = pace
        self.logger = logger
    }

    /// Fetches from time to time, until its task is cancelled.
    public func run() async {
        while !Task.isCancelled {
            _ = await refresh()
            let isKnown = lastFetch?.succeeded == true
            // Who is away is asked again sooner.
            try? await Task.sleep(for: isKnown ? pace.interval : min(pace.interval, pace.pauseMin))
        }
    }

    /// Fetches the keys, or waits for a fetch that is under way; does neither when one has ended within the shortest
    /// pause.
    ///
    /// - Returns: whether the last fetch brought keys: what is not among them does not exist.
    public func refresh() async -> Bool {
        if let underWay { return await underWay.value }
        if let lastFetch, ContinuousClock.now - lastFetch.at < pace.pauseMin { return lastFetch.succeeded }
        let task = Task { await fetch() }
        underWay = task
        let succeeded = await task.value
        underWay = nil
        lastFetch = (ContinuousClock.now, succeeded)
        return succeeded
    }

    private func fetch() async -> Bool {
        fetches.increment()
        do {
            let keys = try await published()
            let before = ring.keys.ids
            ring.replace(.url, by: keys)
            let ids = ring.keys.ids
            guard ids != before else { return true }
            for sentence in keys.ignored { logger.notice("\(sentence)") }
            logger.notice(
                "Keys for tokens were fetched",
                metadata: ["host": "\(host)", "keys": "\(ids.sorted().joined(separator: " "))"])
            return true
        } catch {
            failures.increment()
            logger.warning(
                "Keys for tokens could not be fetched; those known before still hold",
                metadata: ["host": "\(host)", "error": "\(error)"])
            return false
        }
    }

    private func published() async throws -> JWTKeys {
        let request = OutgoingRequest(.get, url, fields: [("Accept", "application/jwk-set+json, application/json")])
        let answer = try await client.ask(request, timeout: pace.timeout, bytesMax: JWTKeys.fileBytesMax)
        guard answer.status == 200 else {
            throw JWTKeysError(.unreadable, "the answer is \(answer.status); 200 with a JWKS is wanted")
        }
        guard let text = String(validating: answer.body.readableBytesView, as: UTF8.self) else {
            throw JWTKeysError(.unusable, "the answer is not text")
        }
        return try await JWTKeys.parsing(text, named: "the answer of \(host)")
    }
}
