import Foundation
import Postgres
import PrivateServers
import Synchronization
import TestBasics
import Testing

/// Connections that come back by themselves.
struct ClientTests {
    private let echo = PostgresStatement("echo", "select $1::bigint")

    @Test func everyAnswerReachesItsAsker() async throws {
        let client = try await makeClient(size: 2)
        let statement = PostgresStatement(
            "slow_echo", "select $1::bigint, pg_backend_pid() where pg_sleep(0.001) is not null")
        // A round that began before the second connection was open is answered by the first one alone.
        let bothAnswered = try await isEventually {
            let answers = try await withThrowingTaskGroup(of: (Int64, Int64?, Int64?).self) { group in
                for number in Int64(0)..<400 {
                    group.addTask {
                        let result = try await client.execute(statement, [.int64(number)])
                        return (number, result.int64(0, 0), result.int64(0, 1))
                    }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(answers.count == 400)
            #expect(answers.allSatisfy { $0.0 == $0.1 })
            return Set(answers.map(\.2)).count == 2
        }
        #expect(bothAnswered)
        await client.close()
    }

    @Test func comesBackAfterTermination() async throws {
        let name = TestServer.uniqueName("client")
        let client = try await makeClient(size: 2, name)
        for _ in 0..<3 {
            #expect(try await isEventually { try await TestServer.connectionCount(name) == 2 })
            #expect(try await TestServer.terminate(name) == 2)
            #expect(await answers(client))
        }
        await client.close()
    }

    @Test func comesBackAfterTheServerWasKilled() async throws {
        let folder = URL(fileURLWithPath: "/tmp/belfry-test-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        let server = try await PrivatePostgres.start(dataDirectory: folder, settings: ["fsync": "off"])
        let states = Mutex<[Bool]>([])
        let client = PostgresClient(
            configuration: try PostgresConfiguration(url: server.url, applicationName: "test"), size: 2)
        client.onStateChange = { state in states.withLock { $0.append(state) } }
        client.start()
        #expect(await answers(client))
        #expect(client.isAvailable)
        #expect(client.lastError == nil)
        server.kill()
        #expect(await isEventually { !client.isAvailable })
        let start = ContinuousClock.now
        let error = try await postgresError { _ = try await client.execute(echo, [.int64(1)]) }
        #expect(error.code == .noConnection)
        #expect(error.message.contains("127.0.0.1:\(server.port)"))
        #expect((Duration.milliseconds(900)...Duration.seconds(5)).contains(ContinuousClock.now - start))
        try await server.restart()
        #expect(await answers(client))
        #expect(await isEventually { client.isAvailable })
        await client.close()
        // Up and down by turns; a server that is slow to come back may be there for a moment before.
        let told = states.withLock { $0 }
        #expect(told.count >= 4 && told.enumerated().allSatisfy { $1 == $0.isMultiple(of: 2) }, "\(told)")
        #expect(told.last == false)
        await server.stop()
    }

    @Test func aStatementWaitsForTheFirstConnection() async throws {
        let client = PostgresClient(configuration: try await TestServer.configuration(), size: 1)
        client.start()
        #expect(try await client.execute(echo, [.int64(3)]).int64(0, 0) == 3)
        await client.close()
    }

    @Test func aClosedClientSaysSo() async throws {
        let client = try await makeClient(size: 1)
        await client.close()
        let error = try await postgresError { _ = try await client.execute(echo, [.int64(1)]) }
        #expect(error.code == .closed)
        #expect(!client.isAvailable)
    }

    @Test func closeEndsItsConnections() async throws {
        let name = TestServer.uniqueName("closing")
        let client = try await makeClient(size: 3, name)
        #expect(try await isEventually { try await TestServer.connectionCount(name) == 3 })
        await client.close()
        #expect(try await isEventually { try await TestServer.connectionCount(name) == 0 })
    }

    @Test func oneThatNobodyHoldsEnds() async throws {
        let name = TestServer.uniqueName("forgotten")
        do { _ = try await makeClient(size: 2, name) }
        #expect(try await isEventually { try await TestServer.connectionCount(name) == 0 })
    }

    private func makeClient(size: Int, _ name: String = "test") async throws -> PostgresClient {
        let client = PostgresClient(
            configuration: try await TestServer.configuration(applicationName: name), size: size)
        client.start()
        #expect(await answers(client))
        return client
    }

    private func answers(_ client: PostgresClient) async -> Bool {
        await isEventually { (try? await client.execute(echo, [.int64(5)]))?.int64(0, 0) == 5 }
    }
}
