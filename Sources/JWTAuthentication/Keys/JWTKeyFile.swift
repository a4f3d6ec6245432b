import Authentication
import Foundation
import Logging
import Metrics

/// A file with keys that is read again when it has changed. Keys that were read stay when the new file can't be used.
public struct JWTKeyFile: Sendable {
    /// Between two looks whether it has changed.
    private static let pause = Duration.seconds(2)

    private let path: String
    private let ring: JWTKeyRing
    private let pause: Duration
    private let logger: Logger
    private let stamp: FileStamp?

    /// Reads the file the first time.
    ///
    /// - Parameter ring: where the keys go.
    /// - Throws: when it can't be used: then the process is not to start.
    public init(_ path: String, ring: JWTKeyRing, logger: Logger) async throws(JWTKeysError) {
        try await self.init(path, ring: ring, pause: Self.pause, logger: logger)
    }

    /// The same with a pause of the caller's.
    init(_ path: String, ring: JWTKeyRing, pause: Duration, logger: Logger) async throws(JWTKeysError) {
        self.path = path
        self.ring = ring
        self.pause = pause
        self.logger = logger
        stamp = FileStamp(path)
        let keys = try await JWTKeys.file(path)
        for sentence in keys.ignored { logger.notice("\(sentence)") }
        ring.replace(.file, by: keys)
    }

    /// Looks after the file until its task is cancelled.
    public func run() async {
        let failures = Counter(label: "belfry_key_file_failures_total")
        var seen = stamp
        while !Task.isCancelled {
            try? await Task.sleep(for: pause)
            let stamp = FileStamp(path)
            guard stamp != seen else { continue }
            seen = stamp
            do throws(JWTKeysError) {
                let keys = try await JWTKeys.file(path)
                ring.replace(.file, by: keys)
                logger.notice(
                    "The keys for tokens were changed",
                    metadata: ["file": "\(path)", "algorithms": "\(keys.algorithms.joined(separator: " "))"])
            } catch {
                failures.increment()
                logger.error(
                    "The keys for tokens were changed, and can't be used; those before still hold",
                    metadata: ["file": "\(path)", "error": "\(error)"])
            }
        }
    }
}
