import BelfryModel
import Bus

/// Whose messages a node hands out: those of its installation, of the present incarnation of PostgreSQL, and of the
/// relay that leads. Pure.
struct OriginMachine {
    /// What becomes of a live message; what is dropped and ours is found in the outbox.
    enum Verdict: Equatable {
        case accept
        /// Another installation's.
        case dropForeign
        /// Of another incarnation: which one is present is to be asked.
        case dropOtherIncarnation
        /// Published late by a leader that was superseded; the next one has published it too.
        case dropSuperseded
    }

    /// What an answer of PostgreSQL's says of its incarnation.
    enum Adoption: Equatable {
        case same
        /// Transaction ids known before can't be compared with those of the answer.
        case changed
        /// Just after a crash, when it has no name yet: to be asked again.
        case unknown
    }

    private let installation: UniqueID
    private(set) var incarnation: UniqueID
    /// The highest term of a relay in it.
    private(set) var term: Int64 = 0
    /// What was known when the last heart-beat was answered: PostgreSQL was asked the next one after that.
    private var known = (term: Int64(0), transaction: Int64(0))

    init(installation: UniqueID, incarnation: UniqueID) {
        self.installation = installation
        self.incarnation = incarnation
    }

    /// A live message came from there.
    mutating func received(_ origin: Envelope.Origin) -> Verdict {
        guard origin.installation == installation else { return .dropForeign }
        guard origin.incarnation == incarnation else { return .dropOtherIncarnation }
        guard origin.term >= term else { return .dropSuperseded }
        term = origin.term
        return .accept
    }

    /// An answer of PostgreSQL's came from this incarnation of it.
    mutating func answered(_ present: UniqueID?) -> Adoption {
        guard let present else { return .unknown }
        guard present != incarnation else { return .same }
        incarnation = present
        term = 0
        known = (0, 0)
        return .changed
    }

    /// A heart-beat was answered: a relay leads with this term, and the heart-beat's transaction has this id.
    ///
    /// - Returns: whether PostgreSQL was put back to an earlier state, as by the files of a backup, since the last one
    ///   was answered. Terms begin anew from there, and transaction ids are given out once more.
    mutating func heartBeat(term: Int64, transaction: Int64) -> Bool {
        let isPutBack = term < known.term || transaction <= known.transaction
        self.term = isPutBack ? term : max(self.term, term)
        known = (self.term, transaction)
        return isPutBack
    }
}
