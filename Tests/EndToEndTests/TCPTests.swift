import BelfryModel
import TestBasics
import TestSupport
import Testing

/// STOMP over plain TCP, byte for byte.
@Suite struct TCPTests {
    private static let connect = "CONNECT\naccept-version:1.2\nhost:x\ntoken:alice\n\n\0"
    private static let subscribe =
        "SUBSCRIBE\nid:0\ndestination:/user/queue/msg\nack:client-individual\nreceipt:sub\n\n\0"

    private func connected(_ belfry: Installation) async throws -> RawConnection {
        let client = try await RawConnection.open(port: belfry.nodes[0].stompPort)
        try await client.send(Self.connect)
        try await client.receive("CONNECTED\n")
        return client
    }

    /// The `ack` headers of what was received.
    private func acks(_ client: RawConnection) -> [String] {
        client.text.matches(of: #/\nack:(\S+)\n/#).map { String($0.1) }
    }

    @Test func aMessageIsReceivedAcknowledgedAndDeliveredAndEveryFrameEndsItsLine() async throws {
        try await Installation.with { belfry in
            let client = try await connected(belfry)
            try await client.send(Self.subscribe)
            try await client.receive("receipt-id:sub")
            let id = try await belfry.application.notify("alice")
            try await client.receive("message-id:\(id)\n")
            let ack = try #require(acks(client).first)
            try await client.send("ACK\nid:\(ack)\nreceipt:a\n\n\0\nDISCONNECT\nreceipt:bye\n\n\0\n")
            try await client.receive("receipt-id:bye\n\n\0\n")
            try await client.ended()
            #expect(try await belfry.application.status(id) == "delivered")
            let frames = client.text.matches(of: #/(CONNECTED|MESSAGE|RECEIPT)\n/#).count
            #expect(frames == 4, "\(client.text)")
            #expect(client.text.matches(of: #/\0\n/#).count == frames)
            #expect(client.text.matches(of: #/\0/#).count == frames)
            await client.close()
        }
    }

    @Test func aPeerThatEndsItsDirectionBehindDisconnectGetsItsReceipt() async throws {
        try await Installation.with { belfry in
            let id = try await belfry.application.notify("alice")
            let client = try await connected(belfry)
            try await client.send(Self.subscribe)
            try await client.receive("message-id:\(id)\n")
            try await client.send("ACK\nid:\(try #require(acks(client).first))\n\n\0DISCONNECT\nreceipt:bye\n\n\0")
            try await client.closeOutput()
            try await client.receive("receipt-id:bye\n")
            try await client.ended()
            #expect(try await belfry.application.status(id) == "delivered")
        }
    }

    /// What it had sent before counts, and nothing is kept of it.
    @Test func aPeerThatEndsItsDirectionIsGone() async throws {
        try await Installation.with { belfry in
            let id = try await belfry.application.notify("alice")
            let client = try await connected(belfry)
            try await client.send(Self.subscribe)
            try await client.receive("message-id:\(id)\n")
            try await client.send("ACK\nid:\(try #require(acks(client).first))\n\n\0")
            try await client.closeOutput()
            try await client.ended()
            try await eventually("it is delivered") { try await belfry.application.status(id) == "delivered" }
            try await eventually("its session has ended") {
                try await belfry.application.value("select count(*) from belfry.session") == "0"
            }
        }
    }

    @Test(arguments: [
        "GET / HTTP/1.1\r\nHost: x\r\n\r\n\0", "\u{16}\u{3}\u{1}\n\n\0", "CONNECT\nno-colon\n\n\0",
        "SUBSCRIBE\nid:0\ndestination:/topic/a\n\n\0",
    ])
    func whatIsNoSTOMPIsAnsweredByAnErrorAndTheEnd(_ bytes: String) async throws {
        try await Installation.with { belfry in
            let client = try await RawConnection.open(port: belfry.nodes[0].stompPort)
            try await client.send(bytes)
            try await client.receive("ERROR\n")
            try await client.ended()
            #expect(client.text.hasSuffix("\0\n"))
            await client.close()
        }
    }

    /// A byte now and then is no CONNECT: the time for it is one.
    @Test func aSlowConnectEndsInTime() async throws {
        var limits = Limits()
        limits.connectTimeout = .milliseconds(500)
        try await Installation.with(limits: limits) { belfry in
            let client = try await RawConnection.open(port: belfry.nodes[0].stompPort)
            let start = ContinuousClock.now
            for byte in Self.connect.utf8 where !client.isEnded {
                try? await client.send([byte])
                try await Task.sleep(for: .milliseconds(50))
            }
            #expect(client.text.contains(CloseReason.connectTimeout.text))
            #expect(ContinuousClock.now - start < .seconds(2))
            await client.close()
        }
    }

    @Test func heartBeatsKeepAConnectionAndSilenceEndsIt() async throws {
        var limits = Limits()
        limits.heartBeatMilliseconds = 300
        try await Installation.with(limits: limits) { belfry in
            let client = try await RawConnection.open(port: belfry.nodes[0].stompPort)
            try await client.send("CONNECT\naccept-version:1.2\nhost:x\ntoken:alice\nheart-beat:300,300\n\n\0")
            try await client.receive("CONNECTED\n")
            // Longer than its silence would be borne.
            let start = ContinuousClock.now
            while ContinuousClock.now - start < .seconds(1) || !client.text.hasSuffix("\0\n\n\n") {
                try await client.send("\n")
                try await Task.sleep(for: .milliseconds(100))
                try #require(!client.isEnded && ContinuousClock.now - start < .seconds(10))
            }
            try await client.receive(CloseReason.heartBeatMissed.text)
            try await client.ended()
            await client.close()
        }
    }

    @Test func aLargeBodyPassesWhereItsLimitIsRaised() async throws {
        var limits = Limits()
        limits.bodyBytesMax = 16 * 1024 * 1024
        try await Installation.with(limits: limits) { belfry in
            let body = [UInt8](repeating: UInt8(ascii: "x"), count: limits.bodyBytesMax)
            for (length, isTooLong) in [(body.count, false), (body.count + 1, true)] {
                let client = try await connected(belfry)
                // What is wrong with it is its destination, unless it is not read so far.
                try await client.send("SEND\ndestination:/app/none\ncontent-length:\(length)\n\n")
                if !isTooLong { try await client.send(body + [0]) }
                try await client.receive("ERROR\n", within: .seconds(30))
                #expect(client.text.contains(CloseReason.frameTooLarge.text) == isTooLong)
                await client.close()
            }
        }
    }

    /// A client that does not read holds its budget of bytes at most, is ended within seconds of it, and loses nothing.
    @Test func aClientThatDoesNotReadIsLetGo() async throws {
        var limits = Limits()
        limits.outboundBytesMax = 64 * 1024
        try await Installation.with(limits: limits) { belfry in
            let client = try await connected(belfry)
            try await client.send(Self.subscribe)
            try await client.receive("receipt-id:sub")
            try await client.setReading(false)
            // More than the systems' buffers hold.
            let data = "\"\(String(repeating: "x", count: 60_000))\""
            for _ in 0..<300 { _ = try await belfry.application.notify("alice", data, type: "STRING_MSG") }
            try await eventually("its session has ended", within: .seconds(30)) {
                try await belfry.application.value("select count(*) from belfry.session") == "0"
            }
            await client.close()
            let again = try await connected(belfry)
            try await again.send(Self.subscribe)
            try await again.receive("MESSAGE\n")
        }
    }
}
