import BelfryModel
import STOMP
import TestSupport
import Testing

@Suite struct SlowClientTests {
    /// Promise 7: a slow client is closed with its own reason and loses nothing; the others do not notice.
    @Test func aClientThatDoesNotReadIsClosedAndLosesNothing() async throws {
        var limits = Limits()
        limits.outboundBytesMax = 512 * 1024
        limits.inFlightMax = 10_000
        try await Installation.with(limits: limits) { belfry in
            let slow = try await belfry.connect("slow")
            try await slow.subscribe("/user/queue/msg", receipt: "sub")
            let fast = try await belfry.connect("fast")
            try await fast.subscribe("/user/queue/msg", receipt: "sub")
            try await slow.socket.setReading(false)
            // 24 MB, which no socket buffer takes; one transaction each, so that they come live.
            let payload = "\"" + String(repeating: "x", count: 40_000) + "\""
            for _ in 0..<600 { try await belfry.application.notify("slow", payload) }
            let id = try await belfry.application.notify("fast")
            #expect(try await fast.nextMessage(within: .seconds(5)).messageID == id)
            try await slow.socket.setReading(true)
            try await slow.ended(within: .seconds(30))

            let again = try await belfry.connect("slow")
            try await again.subscribe("/user/queue/msg", receipt: "sub")
            var ids: [Int64] = []
            while ids.count < 600 {
                let message = try await again.nextMessage()
                ids.append(message.messageID)
                try await again.ack(message)
            }
            #expect(ids == ids.sorted() && Set(ids).count == 600)
        }
    }
}
