import BelfryModel
import STOMP
import TestSupport
import Testing

@Suite struct AcknowledgementTests {
    @Test func modeClientAcknowledgesEverythingBefore() async throws {
        try await Installation.with { belfry in
            let alice = try await belfry.connect("alice")
            try await alice.subscribe("/user/queue/msg", ack: "client", receipt: "sub")
            var ids: [Int64] = []
            for _ in 0..<5 { ids.append(try await belfry.application.notify("alice")) }
            let messages = try await alice.nextMessages(5)
            try await alice.ack(messages[2], receipt: "ack")
            let statuses = try await belfry.application.column("select status from belfry.message_log order by id")
            #expect(statuses == ["delivered", "delivered", "delivered", "pending", "pending"])
        }
    }

    @Test func modeClientIndividualAcknowledgesOne() async throws {
        try await Installation.with { belfry in
            let alice = try await belfry.connect("alice")
            try await alice.subscribe("/user/queue/msg", receipt: "sub")
            for _ in 0..<3 { try await belfry.application.notify("alice") }
            let messages = try await alice.nextMessages(3)
            try await alice.ack(messages[1], receipt: "ack")
            let statuses = try await belfry.application.column("select status from belfry.message_log order by id")
            #expect(statuses == ["pending", "delivered", "pending"])
        }
    }

    @Test func modeAutoIsDeliveredOnceFlushed() async throws {
        try await Installation.with { belfry in
            let alice = try await belfry.connect("alice")
            try await alice.subscribe("/user/queue/msg", ack: "auto", receipt: "sub")
            let id = try await belfry.application.notify("alice")
            let message = try await alice.nextMessage()
            #expect(message.headers["ack"] == nil)
            try await belfry.application.waitForStatus("delivered", of: id)
        }
    }

    @Test func aRefusedMessageComesAgainAndIsParkedAtLast() async throws {
        var limits = Limits()
        limits.nackDelay = .milliseconds(200)
        limits.nacksMax = 3
        try await Installation.with(limits: limits) { belfry in
            let alice = try await belfry.connect("alice")
            try await alice.subscribe("/user/queue/msg", receipt: "sub")
            let id = try await belfry.application.notify("alice")
            for attempt in 1...3 {
                let message = try await alice.nextMessage()
                #expect(message.messageID == id)
                #expect((message.headers["redelivered"] == "true") == (attempt > 1))
                try await alice.nack(message, receipt: "nack\(attempt)")
            }
            #expect(try await belfry.application.status(id) == "parked")
            let reason = try await belfry.application.value(
                "select reason from belfry.parked where message_id = $1", [.int64(id)])
            #expect(reason?.contains("NACK") == true)
        }
    }

    @Test func everySessionOfAUserGetsItAndTheFirstAckCounts() async throws {
        try await Installation.with { belfry in
            let laptop = try await belfry.connect("alice")
            let phone = try await belfry.connect("alice")
            try await laptop.subscribe("/user/queue/msg", receipt: "sub")
            try await phone.subscribe("/user/queue/msg", receipt: "sub")
            let id = try await belfry.application.notify("alice")
            let onLaptop = try await laptop.nextMessage()
            let onPhone = try await phone.nextMessage()
            #expect(onLaptop.messageID == id && onPhone.messageID == id)
            try await phone.ack(onPhone, receipt: "ack")
            #expect(try await belfry.application.status(id) == "delivered")
            // The second ACK finds nothing to do and still gets its receipt.
            try await laptop.ack(onLaptop, receipt: "ack")
        }
    }

    @Test func unsubscribingGivesBackWhatIsInFlight() async throws {
        try await Installation.with { belfry in
            let alice = try await belfry.connect("alice")
            try await alice.subscribe("/user/queue/msg", receipt: "sub")
            let id = try await belfry.application.notify("alice")
            _ = try await alice.nextMessage()
            try await alice.send(Frame(.unsubscribe, ["id": "0", "receipt": "unsub"]))
            _ = try await alice.nextReceipt("unsub")
            try await alice.subscribe("/user/queue/msg", id: "1", receipt: "again")
            let again = try await alice.nextMessage()
            #expect(again.messageID == id)
            #expect(again.headers["subscription"] == "1")
            #expect(again.headers["redelivered"] == "true")
        }
    }

    @Test func aDisconnectReceiptMeansThatAcksAreCommitted() async throws {
        try await Installation.with { belfry in
            let alice = try await belfry.connect("alice")
            try await alice.subscribe("/user/queue/msg", receipt: "sub")
            let id = try await belfry.application.notify("alice")
            try await alice.ack(try await alice.nextMessage())
            try await alice.send(Frame(.disconnect, ["receipt": "bye"]))
            _ = try await alice.nextReceipt("bye")
            #expect(try await belfry.application.status(id) == "delivered")
            #expect(try await alice.ended() == 1000)
        }
    }
}
