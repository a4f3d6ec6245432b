import BelfryModel
import DatabaseSupport
import Foundation
import HTTPPeer
import Postgres
import TestBasics

@testable import Relay

/// An application that is told by webhooks, and a database with a rule.
struct EscalationScene {
    static let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

    let database: TestDatabase
    let writer: PostgresConnection
    let peer: HTTPPeer

    /// - Parameters:
    ///   - after: how long messages of the type JSON_MSG may be undelivered; `nil` for no rule.
    ///   - behavior: what the application does with a webhook.
    init(
        after: String? = "1 second",
        _ behavior: @escaping @Sendable (HTTPPeer.Request) -> HTTPPeer.Behavior = { _ in
            .answer(status: 204, body: "")
        }
    ) async throws {
        database = try await TestServer.makeDatabase()
        writer = try await database.connect()
        peer = try await HTTPPeer.start(behavior)
        if let after { try await rule(after: after) }
    }

    func rule(type: String = "JSON_MSG", after: String = "1 second", path: String = "/h") async throws {
        try await writer.run("select belfry.escalate('\(type)', '\(after)', '\(peer.url(path))')")
    }

    func insert(_ receiver: String = "alice", count: Int = 1, type: String = "JSON_MSG") async throws {
        try await writer.run(
            """
            insert into belfry.message_log (receiver, type, data)
            select '\(receiver)', '\(type)', '"x"' from generate_series(1, \(count))
            """)
    }

    func relay(_ change: (inout EscalationPolicy) -> Void = { _ in }) async throws -> RunningRelay {
        var policy = EscalationPolicy()
        policy.secret = Self.secret
        policy.retryPause = .milliseconds(100)
        policy.timeout = .seconds(2)
        change(&policy)
        return try await RunningRelay(database, bus: RecordingBus(), escalation: policy)
    }

    /// The ids of messages that the application was told of, in the order in which it was.
    var told: [Int64] {
        peer.requests.compactMap { request in
            request.field("webhook-id")?.split(separator: "_").last.flatMap { Int64($0) }
        }
    }

    /// States of belfry.escalation by message: `1 sent, 2 waiting`.
    func states() async throws -> String {
        try await writer.value(
            """
            select coalesce(string_agg(message_id || ' ' || state, ', ' order by message_id), '')
            from belfry.escalation
            """)
    }

    func wait(for states: String, within limit: Duration = .seconds(20)) async throws {
        try await eventually("it is \(states)", within: limit) { try await self.states() == states }
    }

    /// Ids of messages that say that they were escalated.
    func marked() async throws -> String {
        try await writer.value(
            """
            select coalesce(string_agg(id::text, ' ' order by id), '') from belfry.message_log
            where escalated_at is not null
            """)
    }

    func end(_ relays: RunningRelay...) async {
        for relay in relays { await relay.stop() }
        await peer.stop()
        await writer.close()
    }
}
