import BelfryModel
import Foundation
import Outbox
import Postgres

/// Writes a notification, as an application's INSERT does.
public struct SendNotification: Sendable {
    private let store: OperatorStore

    /// - Parameter store: its role is in `belfry_writer`.
    public init(store: OperatorStore) { self.store = store }

    /// Returns the notification's id, once it is committed.
    ///
    /// - Parameter data: JSON, as the type's schema wants it.
    /// - Throws: `CommandRefusal` with PostgreSQL's own words and hint, which are written for people.
    public func run(to receiver: String, type: String, data: String) async throws(CommandRefusal) -> MessageID {
        try await send(NewMessage(to: .user(receiver), type: type, data: data))
    }

    /// The same of a text, to one user or to everybody who is subscribed to a topic.
    public func run(to address: Address, text: String) async throws(CommandRefusal) -> MessageID {
        guard !text.utf8.contains(0), let data = try? JSONEncoder().encode(text) else {
            throw CommandRefusal(.invalid, "the text holds a NUL octet.")
        }
        return try await send(
            NewMessage(to: address, type: "STRING_MSG", data: String(decoding: data, as: UTF8.self)))
    }

    private func send(_ message: NewMessage) async throws(CommandRefusal) -> MessageID {
        do {
            return try await store.send(message)
        } catch {
            throw CommandRefusal(error)
        }
    }
}

extension CommandRefusal {
    /// What a person should read of a failed statement.
    public init(_ error: PostgresError) {
        if error.sqlState == "55P03" {
            self.init(
                .unavailable, "another transaction holds a lock on what this needs; nothing was done, try again.",
                underlying: error)
        } else if error.isFaultOfItsData {
            self.init(.invalid, error.sentence)
        } else if error.isRefusal {
            // Of the rest the words name roles, hosts and databases: they are for the log.
            self.init(.unavailable, "The database is not set up for this; the operator must look.", underlying: error)
        } else if !error.isWithoutEffect {
            self.init(
                .outcomeUnknown, "The database did not answer in time: whether this was done is not known.",
                underlying: error)
        } else {
            self.init(.unavailable, "The database cannot be reached now; try again.", underlying: error)
        }
    }
}
