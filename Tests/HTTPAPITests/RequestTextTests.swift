import Commands
import HTTPTypes
import Hummingbird
import NIOCore
import Postgres
import Testing

@testable import HTTPAPI

@Suite struct EntityTagTests {
    @Test(arguments: [
        (["*"], true), (["W/\"%\""], true), (["\"%\""], true), (["\"x\", W/\"%\""], true), (["\"x\"", "\"%\""], true),
        (["%"], false), (["\"x\""], false), ([], false),
    ])
    func itIsFoundAmongThoseOfTheClient(_ values: [String], _ isThere: Bool) {
        let tag = EntityTag(of: "{}")
        let opaque = tag.description.dropFirst(3).dropLast()
        #expect(opaque.count == 32)
        #expect(tag.isAmong(values.map { $0.replacing("%", with: opaque) }) == isThere)
        #expect(tag.description != EntityTag(of: "{ }").description)
    }
}

/// Lines of a body, however the body is split.
@Suite struct LineReaderTests {
    private static func read(_ text: String, splitAt size: Int, lineBytesMax: Int = 1_000) async throws -> [[String]] {
        let bytes = Array(text.utf8)
        let parts = stride(from: 0, to: bytes.count, by: size).map {
            ByteBuffer(bytes: bytes[$0..<min($0 + size, bytes.count)])
        }
        let body = RequestBody(
            asyncSequence: AsyncStream { continuation in
                for part in parts { continuation.yield(part) }
                continuation.finish()
            })
        var reader = LineReader(lineBytesMax: lineBytesMax)
        var iterator = body.makeAsyncIterator()
        var batches: [[String]] = []
        while let batch = try await reader.batch(from: &iterator) { batches.append(batch.map { String(buffer: $0) }) }
        return batches
    }

    @Test(arguments: 1...13)
    func theyAreTheSameInEverySplit(_ size: Int) async throws {
        #expect(try await Self.read("a\nbc\r\n\n \ndef\nlast", splitAt: size) == [["a", "bc\r", "def", "last"]])
        #expect(try await Self.read("", splitAt: size).isEmpty)
        #expect(try await Self.read("\n\n", splitAt: size).isEmpty)
    }

    @Test func soManyAreABatch() async throws {
        let batches = try await Self.read(String(repeating: "x\n", count: 1_200), splitAt: 100)
        #expect(batches.map(\.count) == [500, 500, 200])
    }

    @Test func aLineHasABound() async throws {
        #expect(try await Self.read(String(repeating: "x", count: 1_000), splitAt: 7).count == 1)
        await #expect(throws: Problem.self) {
            try await Self.read(String(repeating: "x", count: 1_008), splitAt: 7)
        }
    }
}

/// What became of a request that PostgreSQL did not answer.
@Suite struct UnknownOutcomeTests {
    @Test(arguments: [
        (PostgresError.Code.timeout, "outcomeUnknown"), (.connection, "outcomeUnknown"), (.noConnection, "unavailable"),
        (.overloaded, "unavailable"),
    ])
    func onlyWhatWasCertainlyNotDoneMayBeTriedAgain(_ code: PostgresError.Code, _ name: String) {
        let problem = Problem(CommandRefusal(PostgresError(code, "It is away.")))
        #expect(problem.status == .serviceUnavailable && problem.code == name)
        #expect((problem.fields[.retryAfter] != nil) == (name == "unavailable"))
        let more = problem.adding(" More.")
        #expect(more.detail == problem.detail + " More." && more.code == name)
    }
}
