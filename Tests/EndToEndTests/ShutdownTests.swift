import BelfryModel
import STOMP
import TestSupport
import Testing
import WebSocket

@Suite struct ShutdownTests {
    @Test func aStoppingNodeTellsItsClientsToReconnect() async throws {
        try await Installation.with { belfry in
            let alice = try await belfry.connect("alice")
            try await alice.subscribe("/user/queue/msg", receipt: "sub")
            let first = try await belfry.application.notify("alice")
            let second = try await belfry.application.notify("alice")
            let messages = try await alice.nextMessages(2)
            try await alice.ack(messages[0])
            await belfry.nodes[0].service.stop()
            let error = try await alice.next("ERROR")
            #expect(error.command == .error)
            #expect(try await alice.ended() == CloseReason.shuttingDown.webSocketCode)
            // The ACK that came before the end was written, the other message goes back marked.
            #expect(try await belfry.application.status(first) == "delivered")
            #expect(
                try await belfry.application.value(
                    "select redelivered::text from belfry.outbox where message_id = $1", [.int64(second)]) == "true")
            #expect(try await belfry.application.value("select count(*) from belfry.session") == "0")
            #expect(try await belfry.application.value("select count(*) from belfry.node") == "0")
        }
    }

    /// Browsers and load balancers open connections ahead of need: these must not hold up the end.
    @Test func aConnectionWithoutARequestDoesNotHoldUpTheEnd() async throws {
        try await Installation.with { belfry in
            let silence = try await RawConnection.open(port: belfry.port)
            let half = try await RawConnection.open(port: belfry.port)
            try await half.send("GET / HTTP/1.1\r\nHost")
            let alice = try await belfry.connect("alice")
            try await alice.subscribe("/user/queue/msg", receipt: "sub")
            let clock = ContinuousClock()
            let start = clock.now
            await belfry.nodes[0].service.stop()
            #expect(clock.now - start < .seconds(8))
            for connection in [silence, half] {
                try await connection.ended()
                #expect(connection.text.isEmpty)
                await connection.close()
            }
        }
    }
}
