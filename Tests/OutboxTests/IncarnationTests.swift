import DatabaseSupport
import Foundation
import Postgres
import TestBasics
import Testing

@testable import Outbox

/// In which life of PostgreSQL transaction ids can be compared.
@Suite struct IncarnationTests {
    /// PostgreSQL then ends every session and starts over from the write-ahead log, as after a crash of the machine.
    /// What was not flushed is lost, and its ids are given out again.
    @Test func `one backend that is killed begins another incarnation`() async throws {
        let server = try await TestServer.startOwn()
        let database = TestDatabase(url: server.url)
        _ = try await Migrator(configuration: database.configuration()).apply()
        let before = try await database.installation()
        #expect(try await database.installation() == before)
        let backend = try await database.connect()
        let process = try #require(pid_t(try await backend.value("select pg_backend_pid()")))
        #expect(kill(process, SIGKILL) == 0)
        let after = try await eventually("PostgreSQL answers under another name") { () -> InstallationIdentity? in
            guard let present = try? await database.installation(), present != before else { return nil }
            return present
        }
        #expect(after.incarnation != before.incarnation)
        #expect(after.id == before.id)
        await backend.close()
        await server.stop()
    }
}
