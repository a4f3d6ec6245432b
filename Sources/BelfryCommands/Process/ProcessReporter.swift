import BelfryModel
import Commands
import Foundation
import HTTPServer
import Logging
import Outbox
import Postgres
import PrometheusMetrics
import ServiceLifecycle

/// Writes what this process does into `belfry.process` and `belfry.pulse` every ten seconds, for the console of any
/// node. By connections that deliver no messages; while PostgreSQL is away nothing is written, and nothing waits.
struct ProcessReporter: Service {
    private let store: ProcessStore
    private let roles: ProcessRoles
    private let registry: PrometheusRegistry
    private let health: HealthChecks
    private let refusals: SendRefusals
    private let listen: String?
    private let settings: String
    private let serves: @Sendable () async throws -> Void
    private let logger: Logger
    private let id = UUID().uuidString.lowercased()
    private let start = ContinuousClock.now

    /// - Parameters:
    ///   - listen: where it serves HTTP.
    ///   - settings: what was set, as JSON without secrets.
    ///   - serves: returns once its ports are open; throws when they can't be.
    init(
        store: ProcessStore, roles: ProcessRoles, registry: PrometheusRegistry, health: HealthChecks,
        refusals: SendRefusals, listen: String?, settings: String,
        serves: @escaping @Sendable () async throws -> Void, logger: Logger
    ) {
        self.store = store
        self.roles = roles
        self.registry = registry
        self.health = health
        self.refusals = refusals
        self.listen = listen
        self.settings = settings
        self.serves = serves
        self.logger = logger
    }

    /// Reports until graceful shutdown; then removes the process.
    func run() async throws {
        await withTaskGroup(of: Void.self) { tasks in
            tasks.addTask {
                await report()
                try? await gracefulShutdown()
            }
            tasks.addTask { try? await gracefulShutdown() }
            await tasks.next()
            tasks.cancelAll()
        }
        // A task of its own: when another part has failed, this one is cancelled.
        await Task {
            do throws(PostgresError) {
                try await store.leave(id)
            } catch {
                logger.debug("The process's row could not be removed", metadata: ["error": "\(error)"])
            }
        }.value
    }

    private func report() async {
        // What can't serve ends, and was never there.
        do { try await serves() } catch { return }
        await waitUntilReady()
        var last = Counts(registry)
        var lastAt = ContinuousClock.now
        var clockAhead: Double?
        while !Task.isCancelled {
            let (counts, now) = (Counts(registry), ContinuousClock.now)
            var report = ProcessReport(
                id: id, kind: roles.kind, host: ProcessInfo.processInfo.hostName,
                processID: Int(ProcessInfo.processInfo.processIdentifier), version: BelfryVersion.current,
                uptimeSeconds: start.duration(to: now).seconds)
            report.listen = listen
            report.settings = settings
            report.seconds = lastAt.duration(to: now).seconds
            report.sessions = roles.contains(.node) ? Int(registry.value("belfry_sessions") ?? 0) : nil
            counts.fill(&report, since: last)
            if roles.contains(.relay), registry.value("belfry_relay_leader") == 1 {
                report.isLeader = true
                report.pending = registry.value("belfry_relay_pending").map { Int($0) }
                report.parked = registry.value("belfry_relay_parked").map { Int($0) }
                report.lagSeconds = registry.value("belfry_relay_lag_seconds")
            }
            report.clockAhead = clockAhead
            (report.openFiles, report.filesMax) = (OpenFiles.count, OpenFiles.limit)
            report.certificateEnd = registry.value("belfry_tls_certificate_not_after_seconds")
            report.health = await health.report().json
            do throws(PostgresError) {
                let (asked, clock) = (Date().timeIntervalSince1970, ContinuousClock.now)
                let time = try await store.report(report, refusals: refusals.take())
                let roundTrip = clock.duration(to: .now).seconds
                // Told with the next report. What an answer waited for on its way says nothing of the clock.
                if let time, roundTrip < 1 { clockAhead = asked + roundTrip / 2 - time }
                // What could not be told is told with what comes after it.
                (last, lastAt) = (counts, now)
            } catch {
                logger.debug("What this process does could not be written", metadata: ["error": "\(error)"])
            }
            try? await Task.sleep(for: Self.pause(now: Date().timeIntervalSince1970))
        }
    }

    /// A start is no fault: what is connected a moment later would be told as down for ten seconds.
    private func waitUntilReady() async {
        let deadline = ContinuousClock.now + ProcessStore.interval
        while ContinuousClock.now < deadline, !Task.isCancelled, await health.report().status != "ready" {
            try? await Task.sleep(for: .milliseconds(200))
        }
    }

    /// To the next full ten seconds, so that the reports of all processes fall together.
    private static func pause(now: Double) -> Duration {
        let interval = Double(ProcessStore.interval.components.seconds)
        return .seconds(interval - now.truncatingRemainder(dividingBy: interval))
    }

    /// What has been counted up to a time.
    private struct Counts {
        let delivered: Double
        let published: [Int64]
        let arrived: [Int64]
        let acknowledged: [Int64]

        init(_ registry: PrometheusRegistry) {
            delivered = registry.value("belfry_messages_delivered_total") ?? 0
            published = registry.bucketCounts("belfry_relay_publish_seconds")
            arrived = registry.bucketCounts("belfry_arrival_seconds")
            acknowledged = registry.bucketCounts("belfry_delivery_seconds")
        }

        func fill(_ report: inout ProcessReport, since last: Counts) {
            report.delivered = Int(delivered - last.delivered)
            report.published = LatencyBuckets.difference(published, since: last.published)
            report.arrived = LatencyBuckets.difference(arrived, since: last.arrived)
            report.acknowledged = LatencyBuckets.difference(acknowledged, since: last.acknowledged)
        }
    }
}

extension Duration {
    fileprivate var seconds: Double {
        Double(components.seconds) + Double(components.attoseconds) / 1e18
    }
}
