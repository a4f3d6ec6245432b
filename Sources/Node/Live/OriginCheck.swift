import BelfryModel
import Bus
import NIOCore
import Outbox
import Postgres

/// Decides whether an event loop may look at what comes from the bus and from PostgreSQL: by its origin, and by whether
/// this node has told PostgreSQL of late that it lives. Runs the actions of `OriginMachine`. Used on its event loop
/// only.
final class OriginCheck: @unchecked Sendable {
    /// The pause between two questions which incarnation this is.
    private static let askPause = TimeAmount.milliseconds(250)
    private static let warningPause = TimeAmount.seconds(60)

    private let eventLoop: any EventLoop
    private let context: NodeContext
    private var machine: OriginMachine
    private var isAsking = false
    private var nextAsk = NIODeadline.now()
    private var nextWarning = NIODeadline.now()
    /// Something was not handed out because the node could not say that it lives.
    private var isSuspended = false

    /// PostgreSQL came back as another incarnation: what is known of transactions means nothing any more.
    var onIncarnationChange: () -> Void = {}
    /// What was not handed out for a while is to be read now.
    var onResume: () -> Void = {}

    init(eventLoop: any EventLoop, context: NodeContext) {
        self.eventLoop = eventLoop
        self.context = context
        self.machine = OriginMachine(installation: context.installation, incarnation: context.incarnation)
    }

    var incarnation: UniqueID { machine.incarnation }
    var term: Int64 { machine.term }

    /// Whether a live message may be looked at. What is turned down here and ours is found in the outbox.
    func accepts(_ origin: Envelope.Origin) -> Bool {
        switch machine.received(origin) {
        case .accept: return mayDeliver(at: .now())
        case .dropForeign:
            context.metrics.droppedEnvelope(.foreign)
            warn("another installation of Belfry")
        case .dropOtherIncarnation:
            // The relay has noticed a crash of PostgreSQL that this node has not, or the other way round.
            context.metrics.droppedEnvelope(.otherIncarnation)
            ask()
        case .dropSuperseded:
            context.metrics.droppedEnvelope(.superseded)
        }
        return false
    }

    /// Whether this node has told PostgreSQL of late that it lives: otherwise others may have taken it for dead.
    func mayDeliver(at now: NIODeadline) -> Bool {
        if context.lease.isValid(at: now) { return true }
        isSuspended = true
        return false
    }

    /// An answer of PostgreSQL's came from this incarnation of it. Returns whether transaction ids in the answer can be
    /// compared with those known before it.
    @discardableResult
    func adopt(_ present: UniqueID?) -> Bool {
        switch machine.answered(present) {
        case .same: return true
        case .changed:
            context.logger.notice("PostgreSQL was restarted after a crash, or replaced; backlogs are read again")
            onIncarnationChange()
        case .unknown: ask()
        }
        return false
    }

    /// A heart-beat of the node's was answered.
    func heartBeatAnswered(incarnation: UniqueID, term: Int64, transaction: Int64) {
        adopt(incarnation)
        if machine.heartBeat(term: term, transaction: transaction) {
            context.logger.warning("PostgreSQL was put back to an earlier state; backlogs are read again")
            onIncarnationChange()
        }
        resume(at: .now())
    }

    /// Goes on after a time in which nothing could be handed out.
    func resume(at now: NIODeadline) {
        guard isSuspended, context.lease.isValid(at: now) else { return }
        isSuspended = false
        onResume()
    }

    /// A statement of this event loop's has failed.
    func noteFailure(_ error: PostgresError) {
        context.metrics.statementFailed()
        context.logger.debug("PostgreSQL could not be asked; trying again", metadata: ["error": "\(error)"])
    }

    private func ask() {
        let now = NIODeadline.now()
        guard !isAsking, now >= nextAsk else { return }
        isAsking = true
        nextAsk = now + Self.askPause
        context.store.presentIncarnation(
            completion: eventLoop.bringingBack { answer in
                self.isAsking = false
                guard case .success(let present?) = answer, self.adopt(present) else { return }
                self.warn("another incarnation, or a copy, of this database")
            })
    }

    private func warn(_ whose: String) {
        let now = NIODeadline.now()
        guard now >= nextWarning else { return }
        nextWarning = now + Self.warningPause
        context.logger.warning(
            """
            Messages on the bus come from \(whose) and are dropped; give each installation a Redis or a \
            redis.keyPrefix of its own
            """)
    }
}
