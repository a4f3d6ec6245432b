import BelfryModel
import NIOCore
import STOMP
import Testing

@Suite struct FrameEncoderTests {
    @Test func frameWithoutBody() {
        #expect(encoded(Frame(.receipt, ["receipt-id": "7"])) == "RECEIPT\nreceipt-id:7\n\n\0")
        #expect(encoded(.receipt(for: "a:b")) == "RECEIPT\nreceipt-id:a\\cb\n\n\0")
    }

    @Test func contentLengthCountsOctetsWhateverTheHeadersSay() {
        let frame = Frame(.error, ["content-length": "1", "message": "no"], body: ByteBuffer(string: "né\0"))
        #expect(encoded(frame) == "ERROR\nmessage:no\ncontent-length:4\n\nné\0\0")
        #expect(encoded(Frame(.error, ["content-length": "9"])) == "ERROR\n\n\0")
    }

    @Test func escapesOfEachVersion() {
        let frame = Frame(.send, ["a:b": "\r\n:\\", "c": "\r\n:\\"])
        #expect(encoded(frame, version: .v12) == #"SEND|a\cb:\r\n\c\\|c:\r\n\c\\||"#.frameText)
        #expect(encoded(frame, version: .v11) == #"SEND|a\cb: \n\c\\|c: \n\c\\||"#.frameText)
        #expect(encoded(frame, version: .v10) == #"SEND|c:  :\||"#.frameText)
    }

    @Test func noNameBecomesAnotherHeaders() {
        let frame = Frame(
            .send, ["\rcontent-length": "9", " content-length ": "9", "a": "b"], body: ByteBuffer(string: "1"))
        #expect(encoded(frame, version: .v10) == "SEND\na:b\ncontent-length:1\n\n1\0")
        #expect(encoded(frame, version: .v11) == "SEND\n content-length :9\na:b\ncontent-length:1\n\n1\0")
    }

    @Test(arguments: [Command.connect, .stomp, .connected]) func noValueEndsItsLineWhenConnecting(_ command: Command) {
        let frame = Frame(command, ["user-name": "eve\nsession:stolen\r\n\n\0", "host": "a:1\\"])
        #expect(
            encoded(frame) == "\(command.rawValue)\nuser-name:eve session:stolen    \nhost:a:1\\\n\n\0")
    }

    @Test func headerWithoutNameIsLeftOut() {
        #expect(encoded(Frame(.send, ["": "x", "a": ""])) == "SEND\na:\n\n\0")
    }

    @Test func appendsToWhatIsThere() {
        var buffer = FrameEncoder.heartBeat
        FrameEncoder().encode(Frame(.begin), into: &buffer)
        FrameEncoder().encode(Frame(.commit), into: &buffer)
        #expect(String(buffer: buffer) == "\nBEGIN\n\n\0COMMIT\n\n\0")
    }

    @Test func descriptionHidesValues() {
        let frame = Frame(.connect, ["passcode": "secret"], body: ByteBuffer(string: "secret"))
        #expect("\(frame)" == "CONNECT [passcode] + 6 bytes")
    }
}

extension String {
    /// `|` for LF, and NULL at the end: keeps backslashes readable in the expectations above.
    fileprivate var frameText: String {
        split(separator: "|", omittingEmptySubsequences: false).joined(separator: "\n") + "\0"
    }
}

@Suite struct OutgoingMessageTests {
    func message(ackID: AckID? = nil, redelivered: Bool = false, lines: String = "", body: String = "{}")
        -> OutgoingMessage
    {
        OutgoingMessage(
            subscription: EscapedHeaderValue("sub:0"), destination: EscapedHeaderValue("/user/queue/msg"),
            messageID: MessageID(rawValue: 1205), ackID: ackID, redelivered: redelivered,
            headerLines: ByteBuffer(string: lines), body: ByteBuffer(string: body))
    }

    @Test func plain() {
        var buffer = ByteBuffer()
        message().write(into: &buffer)
        #expect(
            String(buffer: buffer) == """
                MESSAGE
                subscription:sub\\c0
                message-id:1205
                destination:/user/queue/msg
                content-type:application/json
                content-length:2

                {}\0
                """)
    }

    @Test func everything() {
        var buffer = ByteBuffer(string: "before")
        let ackID = AckID(subscription: 30, message: MessageID(rawValue: 1205))
        let body = String(repeating: "é", count: 500)
        message(ackID: ackID, redelivered: true, lines: "traceparent:00-ab\nmessage-id:9\n", body: body)
            .write(into: &buffer)
        #expect(
            String(buffer: buffer) == """
                beforeMESSAGE
                subscription:sub\\c0
                message-id:1205
                destination:/user/queue/msg
                content-type:application/json
                content-length:1000
                ack:30-1205
                redelivered:true
                traceparent:00-ab
                message-id:9

                \(body)\0
                """)
    }

    @Test(arguments: [1, 9, 10, 99, 100, 12_345_678_901, Int64.max]) func sizeIsKnownBeforehand(_ id: Int64) {
        let id = MessageID(rawValue: id)
        for redelivered in [false, true] {
            for size in [0, 1, 9, 10, 99, 100, 60_000] {
                let message = OutgoingMessage(
                    subscription: EscapedHeaderValue(""), destination: EscapedHeaderValue("/topic/\u{1F514}\n"),
                    messageID: id, ackID: AckID(subscription: .max, message: id), redelivered: redelivered,
                    headerLines: ByteBuffer(string: "a:b\n"), body: ByteBuffer(repeating: 65, count: size))
                var buffer = ByteBuffer()
                message.write(into: &buffer)
                #expect(buffer.readableBytes == message.byteCount)
                let frame = decode([buffer.readableBytesView]).frames.first
                #expect(frame?.headers["message-id"] == "\(id)")
                #expect(frame?.headers["ack"] == "4294967295-\(id)")
                #expect(frame?.headers["destination"] == "/topic/\u{1F514}\n")
                #expect(frame?.headers["a"] == "b")
                #expect(frame?.body.readableBytes == size)
            }
        }
    }

    @Test func isTheSameAsAnEncodedFrame() {
        var fast = ByteBuffer()
        let id = MessageID(rawValue: 5)
        OutgoingMessage(
            subscription: EscapedHeaderValue("s"), destination: EscapedHeaderValue("/topic/a"),
            messageID: id, ackID: AckID(subscription: 1, message: id), redelivered: true,
            headerLines: ByteBuffer(string: "k:v\n"), body: ByteBuffer(string: "[1]")
        ).write(into: &fast)
        let frame = decode([fast.readableBytesView]).frames.first
        #expect(
            frame
                == Frame(
                    .message,
                    [
                        "subscription": "s", "message-id": "5", "destination": "/topic/a",
                        "content-type": "application/json", "content-length": "3", "ack": "1-5",
                        "redelivered": "true", "k": "v",
                    ], body: ByteBuffer(string: "[1]")))
    }
}
