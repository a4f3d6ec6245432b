import BelfryModel
import Bus
import DatabaseSupport
import Logging
import MessageTrace
import Outbox
import Postgres
import Synchronization
import TestBasics
import Testing

@testable import Relay

/// A relay that runs, with what it did since its start.
final class RunningRelay: Sendable {
    let service: RelayService
    let name: String
    private let log: EventLog
    private let task: Task<Void, any Error>
    private let client: PostgresClient

    private static let names = Atomic<Int>(0)

    /// - Parameters:
    ///   - url: where it connects, if not to the database itself.
    ///   - onEvent: told of each event, on the relay's task.
    init(
        _ database: TestDatabase, bus: any Bus, limits: Limits = Limits(),
        retention: RetentionPolicy = RetentionPolicy(), escalation: EscalationPolicy = EscalationPolicy(),
        url: String? = nil, trace: TraceRecorder = .off,
        onEvent: (@Sendable (RelayEvent) -> Void)? = nil
    ) async throws {
        name = "relay-\(Self.names.add(1, ordering: .relaxed).newValue)"
        let url = url ?? database.url.replacing("postgres@", with: "test_service@", maxReplacements: 1)
        let configuration = try PostgresConfiguration(url: url, applicationName: name)
        client = PostgresClient(configuration: configuration, size: 2)
        client.start()
        let log = EventLog()
        self.log = log
        let service = RelayService(
            configuration: RelayConfiguration(
                postgres: configuration, installation: try await database.installation().id, limits: limits,
                retention: retention, escalation: escalation, name: name),
            client: client,
            bus: bus, logger: Logger(label: name, factory: { _ in SwiftLogNoOpLogHandler() }), trace: trace,
            onEvent: { event in
                log.add(event)
                onEvent?(event)
            })
        self.service = service
        task = Task { try await service.run() }
    }

    var events: [RelayEvent] { log.events }

    func wait(
        for event: RelayEvent, within limit: Duration = .seconds(20), file: String = #fileID, line: Int = #line
    ) async throws {
        try await eventually("\(name): \(event)", within: limit, file: file, line: line) {
            self.events.contains(event)
        }
    }

    /// Waits until it sleeps, for the first time or for the first time after `count` sleeps.
    func waitAsleep(after count: Int = 0, file: String = #fileID, line: Int = #line) async throws {
        try await eventually("\(name) sleeps", file: file, line: line) { self.isAsleep && self.sleeps > count }
    }

    var sleeps: Int { events.count { $0 == .slept } }

    var isAsleep: Bool {
        let last = events.last {
            switch $0 {
            case .slept, .woke, .steppedDown: true
            default: false
            }
        }
        return last == .slept
    }

    var isLeader: Bool { service.status.snapshot.isLeader }

    /// Ends it in good order.
    func stop() async {
        task.cancel()
        _ = try? await task.value
        await client.close()
    }
}

private final class EventLog: Sendable {
    private let state = Mutex<[RelayEvent]>([])
    func add(_ event: RelayEvent) { state.withLock { $0.append(event) } }
    var events: [RelayEvent] { state.withLock { $0 } }
}

/// SQL of the tests.
enum SQL {
    static func insert(_ receiver: String = "alice", count: Int = 1) -> String {
        "insert into belfry.message_log (receiver, type, data) "
            + "select '\(receiver)', 'STRING_MSG', '\"x\"' from generate_series(1, \(count))"
    }
}
