import Foundation
import Logging
import Metrics
import NIOConcurrencyHelpers
import NIOSSL
import ServiceLifecycle

/// The certificate of a node's ports, read again when its files change: new connections get the new one, open ones keep
/// theirs. What can't be used is logged, and the one before stays.
public final class ServerTLS: Service {
    /// How long before its end a certificate is warned of, once a day.
    private static let warningTime: TimeInterval = 14 * 86_400
    private static let warningPause: TimeInterval = 86_400

    private let files: TLSFiles
    private let interval: Duration
    private let logger: Logger
    private let notAfter = Gauge(label: "belfry_tls_certificate_not_after_seconds")
    private let failures = Counter(label: "belfry_tls_reload_failures_total")
    private let current: NIOLockedValueBox<LoadedCertificate>
    /// What the files were like when they were last read.
    private let initialStamp: TLSFiles.Stamp

    /// Reads the files.
    ///
    /// - Parameter interval: the pause between two looks at them.
    /// - Throws: `TLSError` when they can't be used.
    public init(files: TLSFiles, interval: Duration = .seconds(10), logger: Logger) throws(TLSError) {
        self.files = files
        self.interval = interval
        self.logger = logger
        initialStamp = files.stamp
        let loaded = try files.load()
        current = NIOLockedValueBox(loaded)
        announce(loaded)
    }

    /// For the connection that begins now.
    var context: NIOSSLContext { current.withLockedValue { $0.context } }

    /// Looks at the files until graceful shutdown.
    public func run() async throws {
        try? await cancelWhenGracefulShutdown { try await self.watch() }
    }

    private func watch() async throws {
        var used = initialStamp
        var seen = used
        var warnAgainAt = Date.distantPast
        while true {
            warnAgainAt = warnOfExpiry(again: warnAgainAt)
            try await Task.sleep(for: interval)
            let stamp = files.stamp
            // Files that change are being written: they are read once they have not changed from one look to the next.
            if stamp != used, stamp == seen {
                used = stamp
                reload()
                warnAgainAt = .distantPast
            }
            seen = stamp
        }
    }

    private func reload() {
        do throws(TLSError) {
            let loaded = try files.load()
            current.withLockedValue { $0 = loaded }
            announce(loaded)
        } catch {
            failures.increment()
            logger.error(
                "The TLS certificate was changed, and can't be used; the one before is still served",
                metadata: ["error": "\(error)"])
        }
    }

    private func announce(_ loaded: LoadedCertificate) {
        notAfter.record(loaded.notAfter.timeIntervalSince1970)
        logger.notice(
            "The TLS certificate is loaded",
            metadata: ["file": "\(files.certificates)", "expires": "\(loaded.notAfter.ISO8601Format())"])
    }

    /// - Returns: when to warn again.
    private func warnOfExpiry(again: Date) -> Date {
        let (now, end) = (Date(), current.withLockedValue { $0.notAfter })
        guard now >= again, end.timeIntervalSince(now) < Self.warningTime else { return again }
        logger.warning(
            end < now ? "The TLS certificate has expired" : "The TLS certificate expires soon",
            metadata: ["file": "\(files.certificates)", "expires": "\(end.ISO8601Format())"])
        return now + Self.warningPause
    }
}
