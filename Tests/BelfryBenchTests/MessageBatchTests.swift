import Foundation
import Testing

@testable import BelfryBench

/// The scenario `push` sends the same rows by HTTP and by SQL.
@Suite struct MessageBatchTests {
    private struct Sent: Decodable {
        let receiver, type, data: String
    }

    private func batch(_ count: Int) -> MessageBatch {
        var batch = MessageBatch(names: (0..<10).map { Array("user-\($0)".utf8) }, seed: 3)
        batch.fill(first: 41, count: count)
        return batch
    }

    /// The receivers and the texts of the arrays that SQL gets.
    private func rows(_ batch: MessageBatch) -> [[String]] {
        batch.arrays.map { $0.dropFirst().dropLast().split(separator: ",").map(String.init) }
    }

    @Test func anArrayHoldsTheRowsOfTheSQL() throws {
        let batch = batch(100)
        let sent = try JSONDecoder().decode([Sent].self, from: Data(batch.json))
        #expect([sent.map(\.receiver), sent.map(\.data)] == rows(batch))
        #expect(Set(sent.map(\.type)) == ["STRING_MSG"])
        #expect(Set(sent.map(\.data)).count == 100)
    }

    @Test func oneMessageIsAnObject() throws {
        let batch = batch(1)
        let sent = try JSONDecoder().decode(Sent.self, from: Data(batch.json))
        #expect([sent.receiver, sent.data] == batch.values)
    }

    @Test func linesHoldOneObjectEach() throws {
        let batch = batch(3)
        let lines = String(decoding: batch.lines, as: UTF8.self).split(separator: "\n")
        let sent = try lines.map { try JSONDecoder().decode(Sent.self, from: Data($0.utf8)) }
        #expect([sent.map(\.receiver), sent.map(\.data)] == rows(batch))
        #expect(batch.lines.last == UInt8(ascii: "\n"))
    }
}
