import Commands
import DatabaseSupport
import Foundation
import Outbox
import Testing

@testable import Node

/// What a client does with its user's messages.
@Suite struct InboxCommandTests {
    /// A client of alice's that hears answers, and her database.
    private static func with(_ body: (TestClient, Application) async throws -> Void) async throws {
        let url = try await TestServer.makeDatabase().url
        let database = try await Application.connect(url)
        let node = try await TestNode(
            databaseURL: url, commands: InboxCommands.all(Inbox(store: InboxStore(executor: database.connection))))
        let client = try await node.connect(as: "alice")
        try await client.send("SUBSCRIBE\nid:7\ndestination:/user/queue/reply\n\n\0")
        do {
            try await body(client, database)
        } catch {
            await node.stop()
            throw error
        }
        await node.stop()
        await database.close()
    }

    private static func ask(_ command: String, _ body: String, _ client: TestClient) async throws -> String {
        try await client.send("SEND\ndestination:/app/\(command)\ncorrelation-id:\(command)\n\n\(body)\0")
        let answer = try await client.frame(.message)
        #expect(answer.headers["correlation-id"] == command)
        return String(buffer: answer.body)
    }

    @Test func aListIsReadMarkedAndCleared() async throws {
        try await Self.with { client, database in
            try await database.run(
                """
                select belfry.notify(u, 'JSON_MSG', to_jsonb(i))
                from generate_series(1, 3) i, (values ('alice'), ('bob')) r(u)
                """
            )
            let ids = try #require(
                try await database.value(
                    "select string_agg(id::text, ',' order by id) from belfry.message_log where receiver = 'alice'")
            ).split(separator: ",").map(String.init)
            let page = try await Self.ask("history", #"{"limit":2}"#, client)
            #expect(page.hasPrefix("{\"messages\":[{\"id\":\"\(ids[2])\",\"type\":\"JSON_MSG\",\"receiver\":\"alice\""))
            #expect(page.contains("\"id\":\"\(ids[1])\"") && !page.contains("\"id\":\"\(ids[0])\""))
            #expect(page.hasSuffix("\"seen\":false}],\"isCut\":false,\"unviewed\":3,\"unseen\":3,\"changes\":0}"))
            #expect(
                try await Self.ask("viewed", "{\"ids\":[\"\(ids[0])\"]}", client)
                    == #"{"unviewed":2,"unseen":2,"changes":1}"#)
            #expect(
                try await Self.ask("seen", "{\"upTo\":\(ids[1])}", client) == #"{"unviewed":2,"unseen":1,"changes":2}"#)
            #expect(
                try await Self.ask("viewed", "{\"upTo\":\"\(ids[2])\"}", client)
                    == #"{"unviewed":0,"unseen":0,"changes":3}"#)
            _ = try await Self.ask("delete", "{\"ids\":[\"\(ids[0])\",\"\(ids[1])\"]}", client)
            let rest = try await Self.ask("history", "{\"after\":\"0\"}".replacing("\"0\"", with: "1"), client)
            #expect(rest.contains("\"id\":\"\(ids[2])\"") && rest.contains("\"viewed\":true"))
            let until = Int64(Date().timeIntervalSince1970 * 1_000) + 3_600_000
            let snoozed = try await Self.ask("snooze", "{\"id\":\"\(ids[2])\",\"until\":\(until)}", client)
            let copy = try await database.value(
                "select id from belfry.message_log where headers ->> 'snoozed-from' = '\(ids[2])'")
            #expect(snoozed == "{\"snoozedAs\":\"\(copy ?? "")\"}")
            #expect(
                try await Self.ask("snooze", "{\"id\":\"\(ids[2])\",\"until\":\(until)}", client)
                    == #"{"snoozedAs":null}"#, "it has gone")
        }
    }

    @Test(arguments: [
        ("history", "", "the body is not as in"), ("history", "{\"limit\":101}", "limit is 101"),
        ("history", "{\"before\":\"x\"}", "the body's member 'before' is not as in"),
        ("history", "{\"before\":\"5\",\"after\":\"4\"}", "both were given"),
        ("viewed", "{}", "either ids or upTo"), ("viewed", "{\"ids\":[\"1\"],\"upTo\":\"2\"}", "either ids or upTo"),
        ("seen", "{}", "lacks upTo"), ("delete", "{}", "lacks ids"), ("delete", "{\"ids\":[\"-1\"]}", "member 'ids'"),
        ("snooze", "{\"id\":\"1\"}", "lacks id or until"),
        ("snooze", "{\"id\":\"1\",\"until\":1}", "within the next 366 days"),
    ])
    func whatCannotBeDoneIsRefused(_ command: String, _ body: String, _ sentence: String) async throws {
        try await Self.with { client, _ in
            try await client.send("SEND\ndestination:/app/\(command)\nreceipt:r\n\n\(body)\0")
            let error = try await client.frame(.error)
            #expect(String(buffer: error.body).contains(sentence), "\(String(buffer: error.body))")
            #expect(error.headers["receipt-id"] == "r")
        }
    }
}
