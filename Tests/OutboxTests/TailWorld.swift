import BelfryModel
import TestBasics

@testable import Outbox

/// PostgreSQL as far as `TailPosition` depends on it: ids from a sequence, transactions whose id comes with their first
/// row, snapshots, and what `TailStatements.look` answers.
struct TailWorld {
    private struct Transaction {
        var xid: UInt64?
        /// Of the statement that runs, and the id that it has taken and not written yet.
        var xmin: UInt64?
        var taken: Int64?
        var rows: [Int64] = []
        /// When its first id was taken.
        var began: Int?
    }

    private var generator: SeededGenerator
    private var nextXID: UInt64 = 10
    private var latestEnded: UInt64 = 9
    private var nextID: Int64 = 1
    private var open: [Transaction] = []
    /// By whom each committed id was written.
    private var writers: [Int64: UInt64] = [:]
    private var committed: [(ids: [Int64], began: Int, ended: Int)] = []
    private var clock = 0
    private var startedWith: Set<Int64> = []
    private let pageSize: Int
    var found: [Int64] = []

    init(seed: UInt64) {
        generator = SeededGenerator(seed: seed)
        pageSize = [3, 10, 1_000][Int(seed % 3)]
    }

    mutating func chance(_ of: UInt64) -> Bool { random(of) == 0 }

    private mutating func random(_ below: UInt64) -> UInt64 { generator.next(upperBound: below) }

    private var snapshot: TransactionSnapshot {
        let xmax = latestEnded + 1
        let running = open.compactMap(\.xid).filter { $0 < xmax }.sorted()
        return TransactionSnapshot(
            "\(running.first ?? xmax):\(xmax):\(running.map(String.init).joined(separator: ","))")!
    }

    /// Something that some application does.
    mutating func act() {
        clock += 1
        if open.isEmpty || open.count < 6 && chance(3) { open.append(Transaction()) }
        let index = Int(random(UInt64(open.count)))
        switch random(10) {
        case 0..<6:
            if let taken = open[index].taken {
                if open[index].xid == nil {
                    open[index].xid = nextXID
                    nextXID += 1
                }
                open[index].rows.append(taken)
                (open[index].taken, open[index].xmin) = (nil, nil)
                // A statement of many rows goes on.
                if chance(2) { take(index) }
            } else {
                take(index)
            }
        default: end(index, commits: !chance(4))
        }
    }

    private mutating func take(_ index: Int) {
        open[index].xmin = open[index].xmin ?? snapshot.xmin
        open[index].began = open[index].began ?? clock
        open[index].taken = nextID
        nextID += 1
    }

    private mutating func end(_ index: Int, commits: Bool) {
        guard open[index].taken == nil || !commits else { return }
        let transaction = open.remove(at: index)
        guard let xid = transaction.xid else { return }
        latestEnded = max(latestEnded, xid)
        guard commits else { return }
        for id in transaction.rows { writers[id] = xid }
        committed.append((transaction.rows, transaction.began ?? 0, clock))
    }

    mutating func endAll() {
        while !open.isEmpty {
            clock += 1
            end(0, commits: open[0].taken == nil)
        }
    }

    /// In the midst of things: what is committed by now is not to be found.
    mutating func start() -> TailPosition {
        for _ in 0..<40 { act() }
        startedWith = Set(writers.keys)
        let next = (startedWith.max() ?? 0) + 1
        let gaps = (1..<max(next, 1)).filter { !startedWith.contains($0) }.map { $0...$0 }
        return TailPosition(next: next, gaps: gaps, snapshot: snapshot, nextTransaction: nextXID)
    }

    func look(_ position: TailPosition) -> TailPosition.Answer {
        let (before, now) = (position.snapshot, snapshot)
        var ended = before.running.filter { now.sees($0) }
        if before.xmax < now.xmax { ended.append(before.xmax) }
        let ranges = position.ranges
        let read = ranges.lows.indices.filter {
            ranges.bounds[$0] == 0 || ended.min().map { [bound = ranges.bounds[$0]] in bound > $0 } ?? false
        }
        let ids = writers.keys.filter { id in read.contains { ranges.lows[$0] <= id && id <= ranges.highs[$0] } }
        return TailPosition.Answer(
            snapshot: now, oldestStatement: open.compactMap(\.xmin).min(), nextTransaction: nextXID,
            ids: Array(ids.sorted().prefix(pageSize)), isFull: ids.count >= pageSize)
    }

    var committedSinceStart: Set<Int64> { Set(writers.keys).subtracting(startedWith) }

    /// Whether messages of transactions that followed one another were found in that order.
    var ordersAreKept: Bool {
        let places = Dictionary(found.enumerated().map { ($1, $0) }, uniquingKeysWith: { $1 })
        return committed.allSatisfy { first in
            committed.allSatisfy { second in
                guard first.ended < second.began,
                    let last = first.ids.compactMap({ places[$0] }).max(),
                    let next = second.ids.compactMap({ places[$0] }).min()
                else { return true }
                return last < next
            }
        }
    }
}
