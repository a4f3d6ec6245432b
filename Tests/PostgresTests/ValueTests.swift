import Postgres
import Testing

/// Values to the server and back, prepared and not.
struct ValueTests {
    static let texts = [
        "", " ", "plain", "it's \"quoted\"", "back\\slash \\n", "{a,b}", "NULL", "null", "a,b", "line\nbreak\ttab",
        "Grüße, 世界, 🔔", "e\u{301}", "$1", "'; drop table x; --", String(repeating: "long ", count: 100_000),
    ]
    static let numbers: [Int64] = [0, 1, -1, 9, 10, -10, 42, .max, .min, .max - 1, .min + 1, 1_000_000_007]

    @Test(arguments: ["", "echo_text"]) func texts(name: String) async throws {
        let connection = try await TestServer.connect()
        let statement = PostgresStatement(name, "select $1::text, octet_length($1::text)")
        for text in Self.texts {
            let result = try await connection.execute(statement, [.text(text)])
            #expect(result.string(0, 0) == text)
            #expect(result.int64(0, 1) == Int64(text.utf8.count))
            #expect(!result.isNull(0, 0))
            let bytes = try await connection.execute(statement, [.bytes(Array(text.utf8))])
            #expect(bytes.withBytes(0, 0) { Array($0) } == Array(text.utf8))
        }
    }

    @Test(arguments: ["", "echo_numbers"]) func numbers(name: String) async throws {
        let connection = try await TestServer.connect()
        let statement = PostgresStatement(name, "select $1::bigint, $1::bigint::text")
        for number in Self.numbers {
            let result = try await connection.execute(statement, [.int64(number)])
            #expect(result.int64(0, 0) == number)
            #expect(result.string(0, 1) == String(number))
        }
    }

    @Test func nullsAndBooleans() async throws {
        let connection = try await TestServer.connect()
        let result = try await connection.execute(
            PostgresStatement("", "select $1::text, $2::bigint, $3::boolean, $4::boolean, $5::boolean"),
            [.null, .null, .bool(true), .bool(false), .null])
        #expect(result.isNull(0, 0) && result.isNull(0, 1) && result.isNull(0, 4))
        #expect(result.optionalString(0, 0) == nil)
        #expect(result.string(0, 0) == "")
        #expect(result.int64(0, 1) == nil)
        #expect(result.bool(0, 2))
        #expect(!result.bool(0, 3))
        #expect(!result.bool(0, 4))
        #expect(result.withBytes(0, 0) { $0.count } == 0)
    }

    @Test func arrays() async throws {
        let connection = try await TestServer.connect()
        let texts = PostgresStatement("texts", "select e from unnest($1::text[]) with ordinality u(e, n) order by n")
        let result = try await connection.execute(texts, [.textArray(Self.texts)])
        #expect((0..<result.rowCount).map { result.string($0, 0) } == Self.texts)
        #expect((0..<result.rowCount).allSatisfy { !result.isNull($0, 0) })
        let numbers = PostgresStatement(
            "numbers", "select e from unnest($1::bigint[]) with ordinality u(e, n) order by n")
        let back = try await connection.execute(numbers, [.int64Array(Self.numbers)])
        #expect((0..<back.rowCount).compactMap { back.int64($0, 0) } == Self.numbers)
        #expect(try await connection.execute(texts, [.textArray([])]).rowCount == 0)
        #expect(try await connection.execute(numbers, [.int64Array([])]).rowCount == 0)
    }

    @Test func manyValuesOfAllKindsInOneStatement() async throws {
        let connection = try await TestServer.connect()
        let result = try await connection.execute(
            PostgresStatement(
                "mixed", "select $1::text || '|' || $2::bigint || '|' || $3::text || '|' || coalesce($4::text, '-')"),
            [.text("a"), .int64(-7), .bytes(Array("{\"k\": 1}".utf8)), .null])
        #expect(result.string(0, 0) == "a|-7|{\"k\": 1}|-")
    }

    @Test func doubles() async throws {
        let connection = try await TestServer.connect()
        let result = try await connection.execute(
            PostgresStatement(
                "", "select 0.1::float8, '-Infinity'::float8, 'NaN'::float8, 12345678901234567168::numeric, 'x', null"))
        #expect(result.double(0, 0) == 0.1)
        #expect(result.double(0, 1) == -Double.infinity)
        #expect(result.double(0, 2)?.isNaN == true)
        #expect(result.double(0, 3) == 12_345_678_901_234_567_168)
        #expect(result.double(0, 4) == nil)
        #expect(result.double(0, 5) == nil)
    }

    @Test func integersThatAreNone() async throws {
        let connection = try await TestServer.connect()
        let result = try await connection.execute(
            PostgresStatement("", "select '9223372036854775808', '-9223372036854775809', '', '-', '1.0', 'a'"))
        for column in 0..<6 { #expect(result.int64(0, column) == nil) }
    }

    @Test func outOfRangeReadsAsNull() async throws {
        let connection = try await TestServer.connect()
        let result = try await connection.execute(PostgresStatement("", "select 1"))
        for (row, column) in [(1, 0), (0, 1), (-1, 0), (0, -1), (Int.max, Int.max)] {
            #expect(result.isNull(row, column))
            #expect(result.string(row, column) == "")
            #expect(result.int64(row, column) == nil)
        }
    }

    @Test func aNULByteIsRefusedAndNothingSent() async throws {
        let connection = try await TestServer.connect()
        let statement = PostgresStatement("", "select $1::bigint, $2::text")
        for value in [PostgresValue.text("a\0b"), .bytes([0]), .textArray(["a", "\0"])] {
            let error = try await postgresError { _ = try await connection.execute(statement, [.int64(1), value]) }
            #expect(error.code == .invalidValue)
            #expect(error.message.contains("$2"))
        }
        let error = try await postgresError { try await connection.run("select 1\0; select 2") }
        #expect(error.code == .invalidValue)
        #expect(!connection.isClosed)
    }

    @Test func affectedRowsAndTags() async throws {
        let connection = try await TestServer.connect()
        try await connection.run("create temporary table t (n int)")
        let insert = PostgresStatement("insert", "insert into t select generate_series(1, $1::int)")
        let result = try await connection.execute(insert, [.int64(3)])
        #expect(result.affectedRows == 3)
        #expect(result.commandTag == "INSERT 0 3")
        #expect(result.rowCount == 0)
        #expect(try await connection.execute(PostgresStatement("", "create temporary table u ()")).affectedRows == 0)
        #expect(try await connection.execute(PostgresStatement("", "")).rowCount == 0)
    }

    /// More bytes than the socket takes at once, in both directions.
    @Test func aLargeValueGoesThereAndBack() async throws {
        let connection = try await TestServer.connect()
        let large = String(repeating: "0123456789abcdef", count: 2_000_000)
        let result = try await connection.execute(PostgresStatement("large", "select $1::text"), [.text(large)])
        #expect(result.withBytes(0, 0) { $0.count } == large.utf8.count)
        #expect(
            try await connection.execute(PostgresStatement("large", "select $1::text"), [.text("s")]).string(0, 0)
                == "s")
    }
}
