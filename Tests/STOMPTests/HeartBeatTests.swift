import BelfryModel
import NIOCore
import STOMP
import Testing

@Suite struct HeartBeatTests {
    static let start = NIODeadline.uptimeNanoseconds(1_000_000_000)

    func machine(_ client: String, server: UInt32 = 10_000) -> HeartBeatMachine {
        let offer = HeartBeatOffer(client) ?? .none
        return HeartBeatMachine(HeartBeatAgreement(client: offer, serverMilliseconds: server), at: Self.start)
    }

    @Test(
        arguments: [
            ("0,0", 10_000, nil, nil),
            ("5000,20000", 10_000, 20_000, 10_000),
            ("20000,5000", 10_000, 10_000, 20_000),
            ("0,10000", 10_000, 10_000, nil),
            ("10000,0", 10_000, nil, 10_000),
            ("5000,5000", 0, nil, nil),
            ("1,1", 1, 1, 1),
            ("4294967295,4294967295", 10_000, 4_294_967_295, 4_294_967_295),
        ] as [(String, UInt32, Int64?, Int64?)])
    func negotiation(_ client: String, _ server: UInt32, _ outbound: Int64?, _ inbound: Int64?) throws {
        let offer = try #require(HeartBeatOffer(client))
        let agreement = HeartBeatAgreement(client: offer, serverMilliseconds: server)
        #expect(agreement.outboundInterval == outbound.map { .milliseconds($0) })
        #expect(agreement.inboundInterval == inbound.map { .milliseconds($0) })
        // What goes out of one side comes in at the other.
        let client = HeartBeatAgreement(
            own: offer, other: HeartBeatOffer(canSendMilliseconds: server, wantsMilliseconds: server))
        #expect(client.outboundInterval == agreement.inboundInterval)
        #expect(client.inboundInterval == agreement.outboundInterval)
    }

    @Test func noHeartBeatsNoDeadline() {
        var machine = machine("0,0")
        let deadline = machine.nextDeadline
        #expect(deadline == nil)
        let action = machine.tick(at: Self.start + .hours(24))
        #expect(action == .none)
    }

    @Test func heartBeatsGoOutWithinTheInterval() {
        var machine = machine("0,10000")
        var now = Self.start
        for _ in 0..<5 {
            guard let deadline = machine.nextDeadline else {
                Issue.record("no deadline")
                return
            }
            #expect(deadline > now && deadline <= now + .seconds(10))
            let early = machine.tick(at: deadline - .nanoseconds(1))
            #expect(early == .none)
            let action = machine.tick(at: deadline)
            #expect(action == .sendHeartBeat)
            now = deadline
        }
    }

    @Test func whatIsSentCountsAsHeartBeat() {
        var machine = machine("0,10000")
        machine.dataSent(at: Self.start + .seconds(8))
        let action = machine.tick(at: Self.start + .seconds(10))
        #expect(action == .none)
        let deadline = machine.nextDeadline
        #expect(deadline == Self.start + .seconds(17))
    }

    @Test func silentClientIsDroppedAfterTwiceItsInterval() {
        var machine = machine("10000,0")
        machine.dataReceived(at: Self.start + .seconds(5))
        let deadline = machine.nextDeadline
        #expect(deadline == Self.start + .seconds(25))
        let before = machine.tick(at: Self.start + .seconds(25) - .nanoseconds(1))
        #expect(before == .none)
        let action = machine.tick(at: Self.start + .seconds(25))
        #expect(action == .close(.heartBeatMissed))
        let next = machine.nextDeadline
        #expect(next == nil)
        machine.dataReceived(at: Self.start + .seconds(26))
        let afterwards = machine.tick(at: Self.start + .seconds(100))
        #expect(afterwards == .none)
    }

    @Test func silentClientIsDroppedEvenWhenAHeartBeatIsDue() {
        var machine = machine("10000,10000")
        let action = machine.tick(at: Self.start + .seconds(60))
        #expect(action == .close(.heartBeatMissed))
    }

    @Test func clockThatStepsBackHarmsNothing() {
        var machine = machine("10000,10000")
        machine.dataReceived(at: Self.start + .seconds(5))
        machine.dataReceived(at: Self.start)
        machine.dataSent(at: .uptimeNanoseconds(0))
        let inbound = machine.inboundDeadline
        #expect(inbound == Self.start + .seconds(25))
        let outbound = machine.outboundDeadline
        #expect(outbound == Self.start + .seconds(9))
    }
}
