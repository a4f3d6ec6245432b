import BelfryModel
import Bus
import NIOCore

/// Where messages come from: which installation, which life of PostgreSQL, which leader; and whether this node may hand them out.
extension Shard {
    /// The pause between two questions which life of PostgreSQL this is.
    private static let askPause = TimeAmount.milliseconds(250)
    private static let warningPause = TimeAmount.seconds(60)

    /// Whether a live message may be looked at. What is turned down here and ours is found in the outbox.
    func accepts(_ origin: Envelope.Origin) -> Bool {
        guard origin.installation == context.installation else {
            context.counters.droppedEnvelope(.foreign)
            warnOfForeigners("another installation of Belfry")
            return false
        }
        guard origin.incarnation == incarnation else {
            // The relay has noticed a crash of PostgreSQL that this node has not, or the other way round.
            context.counters.droppedEnvelope(.otherIncarnation)
            askForIncarnation()
            return false
        }
        guard origin.term >= term else {
            // Published late by a leader that was superseded; the next one has published it too.
            context.counters.droppedEnvelope(.superseded)
            return false
        }
        term = origin.term
        return mayDeliver(at: .now())
    }

    /// Whether this node has told PostgreSQL of late that it lives: otherwise others may have taken it for dead.
    func mayDeliver(at now: NIODeadline) -> Bool {
        if context.lease.isValid(at: now) { return true }
        isSuspended = true
        return false
    }

    /// Goes on after a time in which nothing could be handed out.
    func resumeIfSuspended(at now: NIODeadline) {
        guard isSuspended, context.lease.isValid(at: now) else { return }
        isSuspended = false
        readEverythingAgain()
    }

    /// A heart-beat was answered.
    func beatAnswered(incarnation: UniqueID, term: Int64) {
        adopt(incarnation)
        self.term = max(self.term, term)
        resumeIfSuspended(at: .now())
    }

    /// An answer of PostgreSQL's came from this life of it. Returns whether transaction ids in the answer can be compared with those
    /// known before it.
    @discardableResult
    func adopt(_ present: UniqueID?) -> Bool {
        guard let present else {
            // Just after a crash: it has no name yet.
            askForIncarnation()
            return false
        }
        guard present != incarnation else { return true }
        incarnation = present
        term = 0
        logger.notice("PostgreSQL was restarted after a crash, or replaced; backlogs are read again")
        incarnationChanged()
        return false
    }

    private func askForIncarnation() {
        let now = NIODeadline.now()
        guard !isAskingForIncarnation, now >= nextAsk else { return }
        isAskingForIncarnation = true
        nextAsk = now + Self.askPause
        context.store.presentIncarnation { result in
            self.eventLoop.execute {
                self.isAskingForIncarnation = false
                guard case .success(let present?) = result else { return }
                if self.adopt(present) { self.warnOfForeigners("another life, or a copy, of this database") }
            }
        }
    }

    private func warnOfForeigners(_ whose: String) {
        let now = NIODeadline.now()
        guard now >= nextForeignWarning else { return }
        nextForeignWarning = now + Self.warningPause
        logger.warning(
            "Messages on the bus come from \(whose) and are dropped; give each installation a Redis or a redis.keyPrefix of its own"
        )
    }

    // MARK: PostgreSQL came back as another one

    /// Transaction ids seen before mean nothing any more: every subscription reads its backlog again. What was acknowledged may come
    /// again, if its mark was lost, and then says that it was shown before; what is not marked yet does not come again.
    private func incarnationChanged() {
        let pending = marks.pendingIDs
        recent.incarnationChanged()
        handedBack.formUnion(recent)
        recent.forgetEarlierIncarnations(keeping: pending.contains)
        markedBroadcasts.incarnationChanged()
        markedBroadcasts.forgetEarlierIncarnations()
        for audience in audiences.values { audience.watch?.incarnationChanged() }
        readEverythingAgain()
        reconcileSoon()
    }

    /// Every subscription reads its backlog from the start.
    private func readEverythingAgain() {
        for audience in audiences.values {
            for delivery in audience.deliveries {
                delivery.machine.incarnationChanged()
                wantsPage(delivery)
            }
        }
    }

    /// Others took this node for dead and removed its sessions' rows: they are written again with the next reading.
    func forgotten() {
        for session in sessions.values where session.registration == .written { session.registration = .none }
        readEverythingAgain()
    }
}
