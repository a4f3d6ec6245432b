import Foundation
import Glibc
import Postgres
import PrivateServers
import Synchronization
import TestBasics
import Testing

/// LISTEN, and its return.
struct ListenerTests {
    /// What a listener told, as texts.
    private final class Record: Sendable {
        private let entries = Mutex<[String]>([])

        func add(_ event: PostgresListener.Event) {
            let text =
                switch event {
                case .listening: "listening"
                case .notification(let channel, let payload): "\(channel): \(payload)"
                case .lost: "lost"
                }
            entries.withLock { $0.append(text) }
        }

        var all: [String] { entries.withLock { $0 } }
        func count(_ text: String) -> Int { all.filter { $0 == text }.count }
    }

    private let notify = PostgresStatement("", "select pg_notify($1, $2)")

    @Test func hearsItsChannelsOnly() async throws {
        let channels = ["plain", "With \"Quotes\" and Ümläute"].map { "\(TestServer.uniqueName("c"))\($0)" }
        let record = Record()
        let listener = PostgresListener(
            configuration: try await TestServer.configuration(), channels: channels, onEvent: record.add)
        listener.start()
        listener.start()
        #expect(await isEventually { record.all == ["listening"] })
        let sender = try await TestServer.connect()
        _ = try await sender.execute(notify, [.text("elsewhere"), .text("x")])
        _ = try await sender.execute(notify, [.text(channels[0]), .text("")])
        _ = try await sender.execute(notify, [.text(channels[1]), .text("payload 🔔")])
        #expect(await isEventually { record.all.count == 3 })
        #expect(record.all == ["listening", "\(channels[0]): ", "\(channels[1]): payload 🔔"])
        await listener.stop()
        _ = try await sender.execute(notify, [.text(channels[0]), .text("late")])
        #expect(record.all.count == 3)
    }

    @Test func manyNotificationsKeepTheirOrder() async throws {
        let channel = TestServer.uniqueName("many")
        let record = Record()
        let listener = PostgresListener(
            configuration: try await TestServer.configuration(), channels: [channel], onEvent: record.add)
        listener.start()
        #expect(await isEventually { record.all == ["listening"] })
        let sender = try await TestServer.connect()
        try await sender.run("select pg_notify('\(channel)', n::text) from generate_series(1, 5000) n")
        #expect(await isEventually { record.all.count == 5_001 })
        #expect(record.all.dropFirst() == (1...5_000).map { "\(channel): \($0)" }[...])
        await listener.stop()
    }

    @Test func listensAgainAfterTermination() async throws {
        let name = TestServer.uniqueName("listener")
        let channel = TestServer.uniqueName("again")
        let record = Record()
        let listener = PostgresListener(
            configuration: try await TestServer.configuration(applicationName: name), channels: [channel],
            onEvent: record.add)
        listener.start()
        for round in 1...3 {
            #expect(await isEventually { record.count("listening") == round })
            let sender = try await TestServer.connect()
            _ = try await sender.execute(notify, [.text(channel), .text("\(round)")])
            #expect(await isEventually { record.count("\(channel): \(round)") == 1 })
            #expect(try await TestServer.terminate(name) == 1)
            #expect(await isEventually { record.count("lost") == round })
        }
        await listener.stop()
    }

    @Test func listensAgainAfterTheServerWasKilled() async throws {
        let folder = URL(fileURLWithPath: "/tmp/belfry-test-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        let server = try await PrivatePostgres.start(dataDirectory: folder, settings: ["fsync": "off"])
        let record = Record()
        let listener = PostgresListener(
            configuration: try PostgresConfiguration(url: server.url, applicationName: "test"), channels: ["bell"],
            onEvent: record.add)
        listener.start()
        #expect(await isEventually { record.all == ["listening"] })
        server.kill()
        #expect(await isEventually { record.count("lost") > 1 })
        try await server.restart()
        #expect(await isEventually { record.count("listening") == 2 })
        let sender = try await PostgresConnection.connect(
            try PostgresConfiguration(url: server.url, applicationName: "test"))
        _ = try await sender.execute(notify, [.text("bell"), .text("ring")])
        #expect(await isEventually { record.count("bell: ring") == 1 })
        await listener.stop()
        await server.stop()
    }

    /// A server that stands still keeps the connection open: only the probe finds out.
    @Test func aServerThatStandsStillIsNoticed() async throws {
        let name = TestServer.uniqueName("still")
        let record = Record()
        let listener = PostgresListener(
            configuration: try await TestServer.configuration(applicationName: name), channels: ["still"],
            onEvent: record.add)
        listener.start()
        #expect(await isEventually { record.all == ["listening"] })
        let observer = try await TestServer.connect()
        let result = try await observer.execute(
            PostgresStatement("", "select pid from pg_stat_activity where application_name = $1"), [.text(name)])
        let pid = try #require(result.int64(0, 0).map(pid_t.init))
        kill(pid, SIGSTOP)
        #expect(await isEventually(within: .seconds(40)) { record.count("lost") == 1 })
        #expect(await isEventually { record.count("listening") == 2 })
        kill(pid, SIGCONT)
        await listener.stop()
    }

    @Test func stopsWhileItCannotConnect() async throws {
        let record = Record()
        let listener = PostgresListener(
            configuration: try PostgresConfiguration(
                url: "postgresql://postgres@127.0.0.1:1/postgres", applicationName: "test"),
            channels: ["x"], onEvent: record.add)
        listener.start()
        #expect(await isEventually { record.count("lost") > 2 })
        await listener.stop()
        let count = record.all.count
        #expect(!record.all.contains("listening"))
        await listener.stop()
        #expect(record.all.count == count)
    }
}
