import BelfryModel
import STOMP
import Testing

@Suite struct AckIDTests {
    @Test(arguments: ["1-1", "1-1205", "4294967295-9223372036854775807"]) func textForm(_ text: String) {
        let id = AckID(text)
        #expect(id?.description == text)
        #expect(id?.byteCount == text.utf8.count)
    }

    @Test(
        arguments: [
            "", "-", "1", "1-", "-1", "0-1", "1-0", "01-1", "1-01", "+1-1", "1-+1", "1--1", "1-1-1", " 1-1", "1-1 ",
            "4294967296-1", "1-9223372036854775808", "a-b", "1-٥", "1\u{301}-1", "undefined",
        ]) func otherText(_ text: String)
    {
        #expect(AckID(text) == nil)
    }

    @Test func ofASubscription() {
        var machine = SessionFramesTests.connected()
        let frame = Frame(.subscribe, ["id": "x", "destination": "/topic/a", "ack": "client"])
        let subscription = machine.frameReceived(frame).subscriptionRequest?.subscription
        #expect(subscription?.ackID(for: MessageID(rawValue: 12))?.description == "1-12")
    }
}
