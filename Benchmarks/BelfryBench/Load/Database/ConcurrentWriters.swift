import CLibpq
import Floors
import Foundation
import Glibc

/// Writers that commit one transaction after another, each on a connection of its own, all driven by one thread so that
/// generating the load costs little. To be used by one thread at a time.
final class ConcurrentWriters: @unchecked Sendable {
    /// What some seconds of writing showed.
    struct Run: Sendable {
        /// Commits a second within the measured time.
        let rate: Double
        /// Commits in all, those before and after the measured time included.
        let commits: Int
        /// Processor time of the thread that drives the writers, as a share of a core.
        let ownShare: Double
    }

    private var connections: [OpaquePointer] = []
    private static let writerValues = 2

    /// Opens `count` connections and prepares the statements, by name, on each; each takes a receiver and a content.
    init(postgresURL: String, count: Int, statements: [String: String]) throws {
        for _ in 0..<count {
            guard let connection = PQconnectdb(postgresURL) else {
                throw BenchmarkError("There is no memory for a writer.")
            }
            connections.append(connection)
            guard PQstatus(connection) == CONNECTION_OK else { throw Self.failure(connection) }
            for (name, sql) in statements {
                let result = PQprepare(connection, name, sql, 0, nil)
                defer { PQclear(result) }
                guard PQresultStatus(result) == PGRES_COMMAND_OK else { throw Self.failure(connection) }
            }
            PQsetnonblocking(connection, 1)
        }
    }

    deinit { connections.forEach { PQfinish($0) } }

    /// Lets `writers` of the connections write for `warmUp` and then for `seconds`, of which the commits are counted.
    func run(_ statement: String, writers: Int, warmUp: Double, seconds: Double) async throws -> Run {
        try await onOwnThread { try self.write(statement, writers, warmUp, seconds) }
    }

    private func write(_ statement: String, _ writers: Int, _ warmUp: Double, _ seconds: Double) throws -> Run {
        let cpu = BareClock.threadNanoseconds
        let start = BareClock.nanoseconds
        let from = start + Int64(warmUp * 1e9)
        let until = from + Int64(seconds * 1e9)
        let active = connections.prefix(writers)
        var sockets = active.map { pollfd(fd: PQsocket($0), events: Int16(POLLIN), revents: 0) }
        var commits = (all: 0, counted: 0)
        for (index, connection) in active.enumerated() { try Self.send(statement, connection, index) }
        var busy = writers
        while busy > 0 {
            guard poll(&sockets, nfds_t(writers), 10_000) > 0 else {
                throw BenchmarkError("No writer committed for 10 s.")
            }
            let now = BareClock.nanoseconds
            for (index, connection) in active.enumerated() where sockets[index].revents != 0 {
                guard try Self.isFinished(connection) else { continue }
                commits.all += 1
                if now >= from, now < until { commits.counted += 1 }
                if now < until {
                    try Self.send(statement, connection, index)
                } else {
                    busy -= 1
                }
            }
        }
        return Run(
            rate: Double(commits.counted) / seconds, commits: commits.all,
            ownShare: Double(BareClock.threadNanoseconds - cpu) / Double(BareClock.nanoseconds - start))
    }

    private static func send(_ statement: String, _ connection: OpaquePointer, _ writer: Int) throws {
        let sent = CStrings.with(["user\(writer)", "\"\(MessageText.content(writer))\""]) {
            PQsendQueryPrepared(connection, statement, Int32(writerValues), $0, nil, nil, 0)
        }
        // So little always fits into the socket's buffer.
        guard sent == 1, PQflush(connection) == 0 else { throw failure(connection) }
    }

    /// Whether the statement under way has ended well.
    private static func isFinished(_ connection: OpaquePointer) throws -> Bool {
        guard PQconsumeInput(connection) == 1 else { throw failure(connection) }
        while PQisBusy(connection) == 0 {
            guard let result = PQgetResult(connection) else { return true }
            defer { PQclear(result) }
            switch PQresultStatus(result) {
            case PGRES_COMMAND_OK, PGRES_TUPLES_OK: continue
            default: throw failure(connection)
            }
        }
        return false
    }

    private static func failure(_ connection: OpaquePointer) -> BenchmarkError {
        BenchmarkError("A writer failed: \(String(cString: PQerrorMessage(connection)))")
    }
}
