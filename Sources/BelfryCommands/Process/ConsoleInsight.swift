import BelfryModel
import Commands
import Foundation
import HTTPServer
import Outbox
import Postgres

/// What a process tells the console beside the tables: where a message is, and what the doctor finds from here.
enum ConsoleInsight {
    /// - Parameter client: its role is in `belfry_service`.
    static func of(
        _ configuration: BelfryConfiguration, _ client: PostgresClient, _ health: HealthChecks
    ) -> OperatorViews.Insight {
        var insight = OperatorViews.Insight(
            trace: { id async throws(PostgresError) in
                json(Trace(TraceReport(id, try await TraceStore(executor: client).facts(of: id))))
            },
            doctor: {
                var doctor = Doctor(configuration: configuration)
                doctor.watch = .seconds(1)
                return json(Examination(await doctor.examine()))
            })
        insight.health = { await health.report().json }
        return insight
    }

    /// As the console has it: times in milliseconds.
    private struct Trace: Encodable {
        struct Event: Encodable {
            let at: Int64
            let what: String
        }

        let place: TraceReport.Place
        let sentence: String
        let isOver: Bool
        let events: [Event]

        init(_ report: TraceReport) {
            place = report.place
            sentence = report.sentence
            isOver = report.isOver
            events = report.events.map { Event(at: Int64($0.at * 1_000), what: $0.what) }
        }
    }

    private struct Examination: Encodable {
        let at = Int64(Date().timeIntervalSince1970 * 1_000)
        let severity: Finding.Severity
        let findings: [Finding]

        init(_ report: DoctorReport) {
            severity = report.severity
            findings = report.findings
        }
    }

    private static func json(_ value: some Encodable) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return (try? encoder.encode(value)).map { String(decoding: $0, as: UTF8.self) } ?? "null"
    }
}
