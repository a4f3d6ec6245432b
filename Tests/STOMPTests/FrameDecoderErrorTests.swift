import BelfryModel
import NIOCore
import STOMP
import Testing

@Suite struct FrameDecoderErrorTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let input: [UInt8]
        let code: FrameError.Code
        let reason: CloseReason
        let message: String
        var version = ProtocolVersion.v12
        var testDescription: String { "\(code): \(String(decoding: input, as: UTF8.self).debugDescription)" }

        init(
            _ input: String, _ code: FrameError.Code, _ message: String, _ reason: CloseReason = .protocolViolation,
            version: ProtocolVersion = .v12
        ) {
            self.init(Array(input.utf8), code, message, reason, version: version)
        }

        init(
            _ input: [UInt8], _ code: FrameError.Code, _ message: String, _ reason: CloseReason = .protocolViolation,
            version: ProtocolVersion = .v12
        ) {
            self.input = input
            self.code = code
            self.message = message
            self.reason = reason
            self.version = version
        }
    }

    static let unknownCommand =
        "is not a STOMP command; start a frame with one in capitals, such as CONNECT, on a line."
    static let cases: [Case] = [
        Case("HELLO\n\n\0", .unknownCommand, "'HELLO' \(unknownCommand)"),
        Case("connect\n\n\0", .unknownCommand, "'connect' \(unknownCommand)"),
        Case("GET /ws HTTP/1.1\r\n", .unknownCommand, "'GET /ws HTT…' \(unknownCommand)"),
        Case(" \n", .unknownCommand, "' ' \(unknownCommand)"),
        Case("\rSEND\n", .unknownCommand, "'?SEND' \(unknownCommand)"),
        Case("SUBSCRIBÉ\n", .unknownCommand, "'SUBSCRIB??' \(unknownCommand)"),
        Case(
            "\0", .unexpectedNull,
            "A NULL octet stands where a command was expected; if the frame before had a content-length, it was too "
                + "small: count octets, not characters."),
        Case(
            "CONNECT\nhost:a\0", .unexpectedNull,
            "A NULL octet stands in the headers of CONNECT, in line 1; end the headers with an empty line before the "
                + "body and its NULL."),
        Case(
            "SEND\na:1\nhello\n\n\0", .headerWithoutColon,
            "Header line 2 of SEND has no ':'; write name:value, and an empty line after the headers."),
        Case("SEND\n:1\n\n\0", .emptyHeaderName, "Header line 1 of SEND has no name before its ':'; write name:value."),
        Case(
            "SEND\na:\\t\n\n\0", .invalidEscape,
            #"Header line 1 of SEND has a backslash that starts no escape of STOMP 1.2; it has \r, \n, \c and \\."#),
        Case(
            "SEND\na\\:1\n\n\0", .invalidEscape,
            #"Header line 1 of SEND has a backslash that starts no escape of STOMP 1.2; it has \r, \n, \c and \\."#),
        Case(
            "SEND\na:\\r\n\n\0", .invalidEscape,
            #"Header line 1 of SEND has a backslash that starts no escape of STOMP 1.1; it has \n, \c and \\."#,
            version: .v11),
        Case(
            Array("SEND\na:".utf8) + [0xff, 0xfe, 10, 10, 0], .invalidUTF8,
            "Header line 1 of SEND is not UTF-8; encode headers as UTF-8.", .invalidUTF8),
        Case(
            Array("CONNECT\n".utf8) + [0xc3, 0x28] + Array(":1\n\n\0".utf8), .invalidUTF8,
            "Header line 1 of CONNECT is not UTF-8; encode headers as UTF-8.", .invalidUTF8),
        Case(
            Array("SEND\na:\\n".utf8) + [0xff, 10], .invalidUTF8,
            "Header line 1 of SEND is not UTF-8; encode headers as UTF-8.", .invalidUTF8),
        Case(
            "SEND\na:b\rc\n\n\0", .carriageReturnInLine,
            #"Header line 1 of SEND has a carriage return within it; escape it as \r."#),
        Case(
            "SEND\ncontent-length:5\n\nhello!\0", .missingNull,
            "SEND has no NULL octet after the 5 octets of its content-length; count octets, not characters, and end "
                + "the frame with NULL."),
        Case(
            "ACK\nid:1-1\n\nx\0", .bodyNotAllowed,
            "ACK has a body; only SEND, MESSAGE and ERROR may have one. Put a NULL octet right after the empty line."),
        Case(
            "ACK\nid:1-1\ncontent-length:1\n\nx\0", .bodyNotAllowed,
            "ACK has a body; only SEND, MESSAGE and ERROR may have one. Put a NULL octet right after the empty line."),
    ]

    @Test(arguments: cases) func errorWithASentence(_ example: Case) {
        let decoded = decodeEverySplit(example.input, version: example.version)
        #expect(decoded.events.isEmpty)
        #expect(decoded.error?.code == example.code)
        #expect(decoded.error?.message == example.message)
        #expect(decoded.error?.closeReason == example.reason)
    }

    @Test(arguments: ["", " 5", "5 ", "-1", "+5", "0x5", "5.0", "five", "٥"])
    func contentLengthThatIsNoNumber(_ value: String) {
        let decoded = decodeEverySplit("SEND\ncontent-length:\(value)\n\nhello\0")
        #expect(decoded.error?.code == .invalidContentLength)
        #expect(
            decoded.error?.message == "The content-length of SEND is not a number; "
                + "give the octets of the body in decimal digits, or leave the header out.")
    }

    @Test(arguments: ["262145", "9223372036854775807", "9223372036854775808", "99999999999999999999999999"])
    func contentLengthOverTheLimit(_ value: String) {
        let decoded = decodeEverySplit("SEND\ncontent-length:\(value)\n\nhello\0")
        #expect(decoded.error?.code == .bodyTooLarge)
        #expect(decoded.error?.closeReason == .frameTooLarge)
    }

    @Test func framesBeforeTheErrorAreGiven() {
        let decoded = decodeEverySplit("ACK\nid:1-1\n\n\0\nNONSENSE\n")
        #expect(decoded.events == [.frame(Frame(.ack, ["id": "1-1"])), .heartBeat])
        #expect(decoded.error?.code == .unknownCommand)
    }

    @Test func errorNamesCommandAndReceiptButNoValues() {
        let error = decodeEverySplit("SEND\nreceipt:r1\nAuthorization Bearer secret\n\n\0").error
        #expect(error?.command == .send)
        #expect(error?.receipt == "r1")
        #expect(error?.description.contains("secret") == false)
    }

    @Test func everyCallAfterAnErrorThrowsIt() {
        var decoder = FrameDecoder()
        for text in ["NONSENSE\n", "CONNECT\n\n\0", ""] {
            var bytes = ByteBuffer(string: text)
            decoder.feed(&bytes)
            #expect(bytes.readableBytes == 0)
            let error = #expect(throws: FrameError.self) { try decoder.next() }
            #expect(error?.code == .unknownCommand)
        }
    }

    @Test func bodiesWereAllowedIn10() {
        let decoded = decodeEverySplit("ACK\nmessage-id:1\n\nx\0", version: .v10)
        #expect(decoded.frames.map(\.body) == [ByteBuffer(string: "x")])
    }
}
