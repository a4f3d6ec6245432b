import BelfryModel
import Bus
import Testing

@testable import Node

@Suite struct OriginMachineTests {
    private static let installation = UniqueID(high: 1, low: 1)
    private static let present = UniqueID(high: 2, low: 2)
    private static let other = UniqueID(high: 3, low: 3)

    private static func machine() -> OriginMachine {
        OriginMachine(installation: installation, incarnation: present)
    }

    private static func origin(
        _ installation: UniqueID = installation, _ incarnation: UniqueID = present, term: Int64
    ) -> Envelope.Origin {
        Envelope.Origin(installation: installation, incarnation: incarnation, term: term)
    }

    @Test func ofOneInstallationOneIncarnationAndTheHighestTerm() {
        var machine = Self.machine()
        var verdicts: [OriginMachine.Verdict] = []
        for origin in [
            Self.origin(term: 5), Self.origin(term: 5), Self.origin(term: 4), Self.origin(term: 6),
            Self.origin(Self.other, term: 9), Self.origin(Self.installation, Self.other, term: 9), Self.origin(term: 6),
        ] {
            verdicts.append(machine.received(origin))
        }
        #expect(
            verdicts == [
                .accept, .accept, .dropSuperseded, .accept, .dropForeign, .dropOtherIncarnation, .accept,
            ])
        #expect(machine.term == 6, "what is dropped sets no term")
    }

    @Test func aHeartBeatRaisesTheTerm() {
        var machine = Self.machine()
        let first = machine.heartBeat(term: 3, transaction: 10)
        let newer = machine.received(Self.origin(term: 4))
        // PostgreSQL was asked before the new leader was heard of.
        let second = machine.heartBeat(term: 3, transaction: 11)
        #expect(!first && newer == .accept && !second && machine.term == 4)
        let older = machine.received(Self.origin(term: 3))
        #expect(older == .dropSuperseded)
    }

    @Test func whatWasKnownWhenPostgreSQLWasAskedCannotBeTakenBackButByARestore() {
        var machine = Self.machine()
        var isPutBack: [Bool] = []
        for (term, transaction) in [(7, 10), (6, 11), (6, 12), (6, 12), (8, 4), (8, 5)] as [(Int64, Int64)] {
            isPutBack.append(machine.heartBeat(term: term, transaction: transaction))
            #expect(machine.term == term)
        }
        #expect(isPutBack == [false, true, false, true, true, false], "by the term, by the transaction, by both")
    }

    @Test func anotherIncarnationCountsTermsAnew() {
        var machine = Self.machine()
        _ = machine.heartBeat(term: 8, transaction: 10)
        #expect(machine.answered(Self.present) == .same)
        #expect(machine.answered(nil) == .unknown)
        #expect(machine.term == 8)
        #expect(machine.answered(Self.other) == .changed)
        #expect(machine.incarnation == Self.other && machine.term == 0)
        #expect(machine.received(Self.origin(Self.installation, Self.other, term: 1)) == .accept)
        #expect(machine.received(Self.origin(term: 9)) == .dropOtherIncarnation)
        let isPutBack = machine.heartBeat(term: 1, transaction: 3)
        #expect(!isPutBack)
    }
}
