import BelfryModel
import DatabaseSupport
import Postgres
import TestBasics
import Testing

/// The snapshot's rule against PostgreSQL's own.
@Suite("TransactionSnapshot and PostgreSQL")
struct SnapshotTests {
    @Test("sees says what pg_visible_in_snapshot says, for random snapshots")
    func random() async throws {
        let database = try await Application.connect(TestServer.makeDatabase(isMigrated: false).url)
        var generator = SeededGenerator(seed: 7)
        var texts: [String] = []
        var xids: [Int64] = []
        for _ in 0..<3_000 {
            let xmin = Int64.random(in: 1...2_000, using: &generator)
            let xmax = xmin + Int64.random(in: 0...80, using: &generator)
            let running = (xmin..<xmax).filter { _ in UInt8.random(in: 0..<3, using: &generator) == 0 }
            texts.append("\(xmin):\(xmax):\(running.map(String.init).joined(separator: ","))")
            xids.append(Int64.random(in: max(1, xmin - 3)...(xmax + 3), using: &generator))
        }
        let result = try await database.connection.execute(
            PostgresStatement(
                "",
                """
                select pg_visible_in_snapshot(xid::text::xid8, snapshot::pg_snapshot), snapshot::pg_snapshot::text
                from unnest($1::text[], $2::bigint[]) with ordinality as r(snapshot, xid, place) order by place
                """),
            [.textArray(texts), .int64Array(xids)])
        #expect(result.rowCount == texts.count)
        for row in 0..<result.rowCount {
            let snapshot = try #require(TransactionSnapshot(result.string(row, 1)))
            #expect(snapshot.description == texts[row])
            #expect(snapshot.sees(UInt64(xids[row])) == result.bool(row, 0), "\(xids[row]) in \(texts[row])")
        }
        let current = try #require(try await database.value("select pg_current_snapshot()::text"))
        #expect(TransactionSnapshot(current)?.description == current)
        await database.connection.close()
    }
}
