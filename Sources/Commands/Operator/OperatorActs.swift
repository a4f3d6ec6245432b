import Authentication
import BelfryModel
import Foundation
import NIOCore
import Outbox
import Postgres

/// What operators do to messages and types. Each act is in `belfry.audit`, with the user.
public struct OperatorActs: Sendable {
    private let console: ConsoleStore
    private let push: PushStore

    /// - Parameter executor: its role is in `belfry_service`; waits for no lock.
    public init(executor: any RelayStoreExecutor) {
        console = ConsoleStore(executor: executor)
        push = PushStore(executor: executor)
    }

    // MARK: One message

    /// Delivers a message again, or tells what that would do; `nil` when there is none.
    public func replay(
        _ id: MessageID, _ body: ByteBuffer, by identity: Identity
    ) async throws(CommandRefusal) -> String? {
        try OperatorRights.require(.view, identity)
        let asked = try body.operatorRequest(ReplayRequest.self, example: ReplayRequest.example)
        if !asked.isDryRun { try OperatorRights.require(.act, identity) }
        let done = try await asking { () async throws(PostgresError) in
            try await console.replay(
                [id], includeDelivered: asked.includesDelivered, dryRun: asked.isDryRun, actor: identity.user)
        }
        guard let message = done.first, let status = message.previousStatus else { return nil }
        return "{\"id\":\"\(id)\",\"previousStatus\":\"\(status)\",\"action\":\"\(message.action)\"}"
    }

    /// Takes a message back that is pending or parked.
    public func cancel(_ id: MessageID, by identity: Identity) async throws(CommandRefusal) -> String {
        try OperatorRights.require(.act, identity)
        let isCancelled = try await asking { () async throws(PostgresError) in
            try await LockPatience.retrying { () async throws(PostgresError) in
                try await push.cancel(id, actor: identity.user)
            }
        }
        return "{\"id\":\"\(id)\",\"cancelled\":\(isCancelled)}"
    }

    // MARK: Parked messages

    /// Delivers parked messages again, or takes them back: some hundred of those that are meant, or none and tells how
    /// many there are.
    public func parked(
        _ body: ByteBuffer, cancels: Bool, by identity: Identity
    ) async throws(CommandRefusal) -> String {
        try OperatorRights.require(.view, identity)
        let asked = try body.operatorRequest(ParkedRequest.self, example: ParkedRequest.example)
        if asked.isDryRun {
            let count = try await asking { () async throws(PostgresError) in try await console.count(asked.parked) }
            let sample = count.sample.map { "\"\($0)\"" }.joined(separator: ",")
            return """
                {"matched":\(count.matched),"isComplete":\(count.isComplete),"sample":[\(sample)]}
                """
        }
        try OperatorRights.require(.act, identity)
        let batch = try await asking { () async throws(PostgresError) in
            try await LockPatience.retrying { () async throws(PostgresError) in
                try await console.act(on: asked.parked, cancels: cancels, actor: identity.user)
            }
        }
        return "{\"done\":\(batch.done),\"skipped\":\(batch.skipped),\"left\":\(batch.left)}"
    }

    // MARK: Types

    /// What is wrong with a schema, and with data by it.
    public func check(_ body: ByteBuffer, by identity: Identity) async throws(CommandRefusal) -> String {
        try OperatorRights.require(.view, identity)
        let asked = try body.operatorRequest(CheckRequest.self, example: CheckRequest.example)
        let answer = try await asking { () async throws(PostgresError) in
            try await console.check(type: asked.type, body: Array(body.readableBytesView))
        }
        guard let answer else { throw CommandRefusal(.invalid, "there is no type of this name.") }
        return answer
    }

    /// Registers a type, or changes it.
    public func register(
        _ type: String, _ body: ByteBuffer, by identity: Identity
    ) async throws(CommandRefusal) -> String {
        try OperatorRights.require(.act, identity)
        let asked = try body.operatorRequest(TypeRequest.self, example: TypeRequest.example)
        return try await asking { () async throws(PostgresError) in
            try await LockPatience.retrying { () async throws(PostgresError) in
                try await console.register(
                    type: type, body: Array(body.readableBytesView), description: asked.description,
                    actor: identity.user)
            }
        }
    }

    private func asking<R>(_ body: () async throws(PostgresError) -> R) async throws(CommandRefusal) -> R {
        do {
            return try await body()
        } catch {
            throw error.sqlState == "55P03"
                ? CommandRefusal(
                    .unavailable, "another transaction holds this; nothing was changed, try again.", underlying: error)
                : CommandRefusal(error)
        }
    }
}
