import BelfryModel
import NIOConcurrencyHelpers
import Testing

@testable import Gateway

@Suite("MarkBatch")
struct MarkBatchTests {
    /// A batch that `#expect` can ask.
    private final class Marks {
        private var batch: MarkBatch

        init(marksMax: Int) { batch = MarkBatch(marksMax: marksMax) }

        var pendingCount: Int { batch.pendingCount }
        var isEmpty: Bool { batch.isEmpty }
        var isFull: Bool { batch.isFull }
        var inFlight: MarkBatch.Batch? { batch.inFlight }
        func delivered(_ id: MessageID) { batch.delivered(id) }
        func refused(_ id: MessageID) { batch.refused(id) }
        func givenBack(_ ids: [MessageID]) { batch.givenBack(ids) }
        func sessionClosed(_ id: String, unacknowledged ids: [MessageID]) {
            batch.sessionClosed(id, unacknowledged: ids)
        }
        func whenCommitted(_ body: @escaping @Sendable () -> Void) { batch.whenCommitted(body) }
        func begin() -> Bool { batch.begin() }
        func committed() -> MarkBatch.Batch? { batch.committed() }
    }

    private static func ids(_ values: some Sequence<Int>) -> [MessageID] {
        values.map { MessageID(rawValue: Int64($0)) }
    }

    @Test("Nothing gathered is nothing to write")
    func empty() {
        let batch = Marks(marksMax: 10)
        #expect(batch.isEmpty)
        #expect(batch.begin() == false)
        #expect(batch.committed() == nil)
        #expect(batch.pendingCount == 0)
    }

    @Test("One statement's worth, by kind and in ascending order")
    func kinds() throws {
        let batch = Marks(marksMax: 10)
        for id in Self.ids([3, 1, 2]) { batch.delivered(id) }
        for id in Self.ids([6, 5]) { batch.refused(id) }
        batch.givenBack(Self.ids([9, 8]))
        batch.sessionClosed("one", unacknowledged: Self.ids([7]))
        #expect(batch.pendingCount == 9)
        #expect(batch.begin())
        let inFlight = try #require(batch.inFlight)
        #expect(inFlight.delivered == Self.ids([1, 2, 3]))
        #expect(inFlight.refused == Self.ids([5, 6]))
        #expect(inFlight.unacknowledged == Self.ids([7, 8, 9]))
        #expect(inFlight.closedSessions == ["one"])
        #expect(!batch.isEmpty)
        #expect(batch.committed() != nil)
        #expect(batch.isEmpty)
    }

    @Test("One batch at a time; what comes meanwhile is the next one")
    func oneAtATime() {
        let batch = Marks(marksMax: 10)
        batch.delivered(MessageID(rawValue: 1))
        #expect(batch.begin())
        batch.delivered(MessageID(rawValue: 2))
        #expect(batch.begin() == false)
        #expect(batch.pendingCount == 2)
        #expect(batch.committed()?.delivered == Self.ids([1]))
        #expect(batch.begin())
        #expect(batch.committed()?.delivered == Self.ids([2]))
        #expect(batch.isEmpty)
    }

    @Test("A statement holds no more marks than the limit")
    func limit() {
        let batch = Marks(marksMax: 10)
        for id in Self.ids(1...25) { batch.delivered(id) }
        #expect(batch.isFull)
        var sizes: [Int] = []
        var all: [MessageID] = []
        while batch.begin() {
            let written = batch.committed()?.delivered ?? []
            sizes.append(written.count)
            all += written
        }
        #expect(sizes == [10, 10, 5])
        #expect(all == Self.ids(1...25))
        #expect(batch.isEmpty)
    }

    @Test("A receipt waits for every mark made before it, over several statements too")
    func receipts() {
        let isAnswered = NIOLockedValueBox(false)
        let batch = Marks(marksMax: 10)
        batch.delivered(MessageID(rawValue: 99))
        #expect(batch.begin())
        for id in Self.ids(1...25) { batch.delivered(id) }
        batch.refused(MessageID(rawValue: 50))
        batch.sessionClosed("one", unacknowledged: [])
        batch.whenCommitted { isAnswered.withLockedValue { $0 = true } }
        var written: Set<MessageID> = []
        repeat {
            for body in batch.committed()?.whenCommitted ?? [] { body() }
            let inFlight = batch.begin() ? batch.inFlight : nil
            if !(inFlight?.whenCommitted.isEmpty ?? true) {
                #expect(written.count + (inFlight?.delivered.count ?? 0) == 25)
                #expect(inFlight?.refused == Self.ids([50]))
                #expect(inFlight?.closedSessions == ["one"])
            }
            written.formUnion(inFlight?.delivered ?? [])
        } while batch.inFlight != nil
        #expect(written == Set(Self.ids(1...25)))
        #expect(isAnswered.withLockedValue { $0 })
    }

    @Test("A receipt with nothing before it needs a turn of its own")
    func receiptAlone() {
        let batch = Marks(marksMax: 10)
        batch.whenCommitted {}
        #expect(!batch.isEmpty)
        #expect(batch.begin())
        #expect(batch.committed()?.whenCommitted.count == 1)
    }
}
