import BelfryModel
import Delivery
import TestBasics
import Testing

@Suite struct AckLedgerTests {
    static func ledger(_ mode: AckMode, _ ids: [Int64]) -> AckLedger {
        var ledger = AckLedger(mode: mode)
        for (index, id) in ids.enumerated() {
            ledger.append(
                MessageStamp(
                    id: MessageID(rawValue: id), xid: UInt64(100 + index), createdAtMicroseconds: Int64(index)))
        }
        return ledger
    }

    static func ids(_ entries: [MessageStamp]) -> [Int64] { entries.map(\.id.rawValue) }

    @Test(arguments: [AckMode.client, .auto], [[10, 20, 30, 40], [20, 40, 10, 30]])
    func cumulative(_ mode: AckMode, _ sent: [Int64]) {
        for index in sent.indices {
            var ledger = Self.ledger(mode, sent)
            let id = MessageID(rawValue: sent[index])
            let taken = ledger.take(id)
            #expect(Self.ids(taken) == Array(sent[...index]))
            #expect(taken.map(\.xid) == (0...index).map { UInt64(100 + $0) })
            #expect(ledger.count == sent.count - index - 1)
            #expect(!ledger.contains(id))
            #expect(Self.ids(ledger.drain()) == Array(sent[(index + 1)...]))
        }
    }

    @Test(arguments: [[10, 20, 30, 40], [20, 40, 10, 30]]) func individual(_ sent: [Int64]) {
        for index in sent.indices {
            var ledger = Self.ledger(.clientIndividual, sent)
            let id = MessageID(rawValue: sent[index])
            #expect(Self.ids(ledger.take(id)) == [sent[index]])
            #expect(ledger.take(id).isEmpty)
            #expect(Self.ids(ledger.drain()) == sent.filter { $0 != sent[index] })
            #expect(ledger.count == 0)
        }
    }

    @Test(arguments: AckMode.allCases) func unknownIDsTakeNothing(_ mode: AckMode) {
        var ledger = Self.ledger(mode, [10, 20, 30])
        for id: Int64 in [.min, 0, 5, 15, 25, 31, .max] {
            #expect(!ledger.contains(MessageID(rawValue: id)))
            #expect(ledger.take(MessageID(rawValue: id)).isEmpty)
        }
        #expect(ledger.count == 3)
        #expect(AckLedger(mode: mode).contains(MessageID(rawValue: 1)) == false)
    }

    @Test func sameMessageInFlightTwice() {
        var ledger = Self.ledger(.client, [10, 20, 10, 30])
        let id = MessageID(rawValue: 10)
        #expect(ledger.contains(id, createdAtMicroseconds: 0))
        #expect(ledger.contains(id, createdAtMicroseconds: 2))
        #expect(!ledger.contains(id, createdAtMicroseconds: 1))
        #expect(Self.ids(ledger.take(id)) == [10])
        #expect(Self.ids(ledger.take(id)) == [20, 10])
        #expect(ledger.contains(MessageID(rawValue: 30)))
    }

    /// A crash of PostgreSQL may have an id given out a second time.
    @Test func messagesAreToldByIDAndTime() {
        let ledger = Self.ledger(.client, [10, 20])
        #expect(ledger.contains(MessageID(rawValue: 20), createdAtMicroseconds: 1))
        #expect(!ledger.contains(MessageID(rawValue: 20), createdAtMicroseconds: 0))
        #expect(!ledger.contains(MessageID(rawValue: 30), createdAtMicroseconds: 1))
    }

    @Test func startsAfreshOnceEmpty() {
        var ledger = Self.ledger(.client, Array(1...100))
        #expect(ledger.take(MessageID(rawValue: 100)).count == 100)
        #expect(ledger.count == 0)
        #expect(!ledger.contains(MessageID(rawValue: 50)))
        ledger.append(MessageStamp(id: MessageID(rawValue: 50), xid: 1, createdAtMicroseconds: 0))
        #expect(ledger.contains(MessageID(rawValue: 50)))
        #expect(ledger.drain().count == 1)
        #expect(ledger.drain().isEmpty)
    }

    /// Against the plainest list that does the same.
    @Test(arguments: AckMode.allCases) func agreesWithAPlainList(_ mode: AckMode) {
        var random = SeededGenerator(seed: 3)
        var ledger = AckLedger(mode: mode)
        var list: [MessageStamp] = []
        var highest: Int64 = 0
        for step in 0..<4_000 {
            let id: Int64
            switch Int.random(in: 0..<4, using: &random) {
            case 0, 1:
                highest += 1
                id = highest
            case 2: id = list.randomElement(using: &random)?.id.rawValue ?? 1
            default: id = Int64.random(in: 0...(highest + 2), using: &random)
            }
            let message = MessageID(rawValue: id)
            #expect(ledger.contains(message) == list.contains { $0.id == message })
            if id == highest || step % 50 == 0 {
                ledger.append(MessageStamp(id: message, xid: UInt64(step), createdAtMicroseconds: 0))
                list.append(MessageStamp(id: message, xid: UInt64(step), createdAtMicroseconds: 0))
            } else {
                let index = list.firstIndex { $0.id == message }
                let expected = index.map { mode.isCumulative ? Array(list[...$0]) : [list[$0]] } ?? []
                list.removeAll { expected.contains($0) }
                #expect(ledger.take(message) == expected)
            }
            #expect(ledger.count == list.count)
        }
        #expect(ledger.drain() == list)
    }
}
