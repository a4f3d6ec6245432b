import BelfryModel

@testable import Delivery

extension DeliveryMark {
    static func mark(_ id: Int, of user: String = "ann") -> DeliveryMark {
        DeliveryMark(id: MessageID(rawValue: Int64(id)), receiver: user, xid: 1, createdAtMicroseconds: Int64(id))
    }
}

extension SessionEnd {
    static func end(
        _ session: String?, _ ids: [Int], of user: String = "ann", isRowCertain: Bool = true
    ) -> SessionEnd {
        SessionEnd(
            sessionID: session, isRowCertain: isRowCertain, receiver: user,
            unacknowledged: ids.map { MessageID(rawValue: Int64($0)) })
    }
}

extension MarkQueue {
    static func ids(_ work: Work?) -> [Int64] {
        switch work {
        case .delivered(let marks), .refused(let marks): marks.map(\.id.rawValue)
        case .ended(let ends): ends.flatMap(\.unacknowledged).map(\.rawValue)
        case nil: []
        }
    }

    /// Writes a batch of one statement. Returns that.
    mutating func commitNext() -> Work? {
        _ = begin()
        let work = next()
        committed(leaving: [])
        _ = batchEnded()
        return work
    }

    /// Writes batches until there is nothing to write, as a PostgreSQL does that leaves out `held` and refuses what
    /// holds `faulty`.
    ///
    /// - Returns: the ids that were committed, those that were given up, and how waiters fared.
    mutating func write(
        holding held: Set<Int64> = [], refusing faulty: Set<Int64> = [], isFault: Bool = true
    ) -> (committed: [Int64], givenUp: [Int64], settled: Settled) {
        var (committed, givenUp): ([Int64], [Int64]) = ([], [])
        var settled: Settled = []
        while begin() {
            while let work = next() {
                let ids = Self.ids(work)
                if !faulty.isDisjoint(with: ids) {
                    if case .givenUp(let work) = refusedByPostgres(isFaultOfItsData: isFault) {
                        givenUp += Self.ids(work)
                    }
                } else {
                    committed += ids.filter { !held.contains($0) }
                    self.committed(leaving: ids.filter { held.contains($0) }.map { MessageID(rawValue: $0) })
                }
            }
            settled += batchEnded()
        }
        return (committed, givenUp, settled)
    }
}
