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

    @Test func aHeartBeatRaisesTheTermAndNeverLowersIt() {
        var machine = Self.machine()
        machine.leads(term: 3)
        machine.leads(term: 2)
        #expect(machine.term == 3)
        #expect(machine.received(Self.origin(term: 2)) == .dropSuperseded)
    }

    @Test func anotherIncarnationCountsTermsAnew() {
        var machine = Self.machine()
        machine.leads(term: 8)
        #expect(machine.answered(Self.present) == .same)
        #expect(machine.answered(nil) == .unknown)
        #expect(machine.term == 8)
        #expect(machine.answered(Self.other) == .changed)
        #expect(machine.incarnation == Self.other && machine.term == 0)
        #expect(machine.received(Self.origin(Self.installation, Self.other, term: 1)) == .accept)
        #expect(machine.received(Self.origin(term: 9)) == .dropOtherIncarnation)
    }
}
