import Foundation
import Glibc
import Testing

@testable import PrivateServers

@Suite(.serialized) struct PrivatePostgresTests {
    @Test func startsAnswersAndStops() async throws {
        let folder = TemporaryFolder()
        defer { folder.remove() }
        let server = try await PrivatePostgres.start(dataDirectory: folder.url, settings: ["fsync": "off"])
        #expect(server.url == "postgresql://postgres@127.0.0.1:\(server.port)/postgres")
        #expect(server.url(database: "a b").hasSuffix("/a%20b"))
        #expect(try await query(server, "select 41 + 1") == "42")
        #expect(try await query(server, "show fsync") == "off")
        #expect(try await query(server, "show listen_addresses") == "127.0.0.1")
        await server.stop()
        #expect(LoopbackPort.ask(port: server.port, "") == nil)
    }

    /// initdb was cut off, by a power loss: what it left is cleared away, and only that.
    @Test func aHalfMadeDatabaseIsMadeAnew() async throws {
        let folder = TemporaryFolder()
        let mark = folder.url.path + ".initializing"
        defer {
            folder.remove()
            try? FileManager.default.removeItem(atPath: mark)
        }
        let half = folder.url.appendingPathComponent("base")
        try FileManager.default.createDirectory(at: half, withIntermediateDirectories: true)
        try Data("15\n".utf8).write(to: folder.url.appendingPathComponent("PG_VERSION"))
        try Data().write(to: URL(fileURLWithPath: mark))
        let server = try await PrivatePostgres.start(dataDirectory: folder.url, settings: ["fsync": "off"])
        #expect(try await query(server, "select 41 + 1") == "42")
        #expect(!FileManager.default.fileExists(atPath: mark))
        await server.stop()
    }

    @Test func comesBackOnTheSamePortAfterAKill() async throws {
        let folder = TemporaryFolder()
        defer { folder.remove() }
        let server = try await PrivatePostgres.start(dataDirectory: folder.url)
        _ = try await query(server, "create table kept (id int); insert into kept values (7)")
        server.kill()
        #expect(LoopbackPort.ask(port: server.port, "") == nil)
        try await server.restart()
        #expect(try await query(server, "select id from kept") == "7")
        await server.stop()
    }

    @Test func aLaterStartRemovesALeftServer() async throws {
        let folder = TemporaryFolder()
        defer { folder.remove() }
        let left = try await PrivatePostgres.start(dataDirectory: folder.url, settings: ["fsync": "off"])
        left.abandon()
        #expect(LoopbackPort.ask(port: left.port, "") != nil)
        let server = try await PrivatePostgres.start(dataDirectory: folder.url, settings: ["fsync": "off"])
        #expect(LoopbackPort.ask(port: left.port, "") == nil)
        #expect(try await query(server, "select 1") == "1")
        await server.stop()
    }

    @Test func aServerInUseIsNotRemoved() async throws {
        let folder = TemporaryFolder()
        defer { folder.remove() }
        let server = try await PrivatePostgres.start(dataDirectory: folder.url, settings: ["fsync": "off"])
        let error = await #expect(throws: PrivateServerError.self) {
            _ = try await PrivatePostgres.start(dataDirectory: folder.url)
        }
        #expect(error?.code == .directoryInUse)
        #expect(try await query(server, "select 1") == "1")
        await server.stop()
    }

    @Test func aFailedStartQuotesTheLog() async throws {
        let folder = TemporaryFolder()
        defer { folder.remove() }
        let error = await #expect(throws: PrivateServerError.self) {
            _ = try await PrivatePostgres.start(
                dataDirectory: folder.url, settings: ["fsync": "off", "no_such_setting": "1"])
        }
        #expect(error?.code == .startFailed)
        #expect(error?.message.contains("no_such_setting") == true)
    }

    @Test func aFolderWithOtherFilesIsRefused() async throws {
        let folder = TemporaryFolder()
        defer { folder.remove() }
        try FileManager.default.createDirectory(at: folder.url, withIntermediateDirectories: true)
        try Data("precious".utf8).write(to: folder.url.appendingPathComponent("letter.txt"))
        let error = await #expect(throws: PrivateServerError.self) {
            _ = try await PrivatePostgres.start(dataDirectory: folder.url)
        }
        #expect(error?.code == .unusableDirectory)
        #expect(FileManager.default.fileExists(atPath: folder.url.appendingPathComponent("letter.txt").path))
    }

    @Test func serversAreOutOfReachOfTheTerminal() async throws {
        let folder = TemporaryFolder()
        defer { folder.remove() }
        let log = "/tmp/belfry-test-\(UUID().uuidString).log"
        defer { unlink(log) }
        let process = try ServerProcess.spawn(["/bin/sleep", "30"], log: log)
        #expect(getpgid(process.pid) == process.pid)
        #expect(getsid(process.pid) == process.pid)
        process.killTree()
        #expect(!process.isRunning)
    }

    private func query(_ server: PrivatePostgres, _ sql: String) async throws -> String {
        let psql = try #require(Programs.find("psql"))
        let (output, finished) = try await Programs.run([psql, server.url, "-XAtqc", sql])
        #expect(finished)
        return output.trimmingCharacters(in: .whitespacesAndNewlines)
    }
}
