import BelfryModel
import NIOCore
import STOMP
import Testing

@Suite struct FrameDecoderTests {
    @Test func connectFrame() {
        let decoded = decodeEverySplit("CONNECT\naccept-version:1.2\nhost:example.org\n\n\0")
        #expect(
            decoded == Decoded(events: [.frame(Frame(.connect, ["accept-version": "1.2", "host": "example.org"]))]))
    }

    @Test func carriageReturnsBeforeLineFeeds() {
        let decoded = decodeEverySplit("\r\nSUBSCRIBE\r\nid:0\r\ndestination:/topic/a\r\n\r\n\0\r\n")
        #expect(
            decoded.events == [
                .heartBeat, .frame(Frame(.subscribe, ["id": "0", "destination": "/topic/a"])), .heartBeat,
            ])
    }

    @Test(arguments: Command.allCases) func everyCommand(_ command: Command) {
        let decoded = decodeEverySplit("\(command.rawValue)\n\n\0")
        #expect(decoded == Decoded(events: [.frame(Frame(command))]))
    }

    @Test func severalFramesAndHeartBeatsInOneRead() {
        let decoded = decodeEverySplit("\n\nACK\nid:1-2\n\n\0\nACK\nid:1-3\n\n\0ACK\nid:1-4\n\n\0\n")
        #expect(decoded.frames.map { $0.headers["id"] } == ["1-2", "1-3", "1-4"])
        #expect(decoded.heartBeats == 4)
        #expect(decoded.error == nil)
    }

    @Test func bodyOfContentLengthMayHoldNulls() {
        let decoded = decodeEverySplit("SEND\ndestination:/a\ncontent-length:7\n\na\0b\0\nc\0\0\n")
        #expect(decoded.frames.map(\.body) == [ByteBuffer(string: "a\0b\0\nc\0")])
        #expect(decoded.heartBeats == 1)
    }

    @Test func bodyWithoutContentLengthEndsAtNull() {
        let decoded = decodeEverySplit("SEND\ndestination:/a\n\nfirst\n\nline:\0SEND\n\n\0")
        #expect(decoded.frames.map(\.body) == [ByteBuffer(string: "first\n\nline:"), ByteBuffer()])
    }

    @Test func firstOfRepeatedHeadersWins() {
        let decoded = decodeEverySplit("MESSAGE\nfoo:World\nfoo:Hello\ncontent-length:1\ncontent-length:9\n\nx\0")
        #expect(decoded.frames.first?.headers["foo"] == "World")
        #expect(decoded.frames.first?.headers.map(\.value) == ["World", "Hello", "1", "9"])
        #expect(decoded.frames.first?.body == ByteBuffer(string: "x"))
    }

    @Test func valuesKeepSpacesAndFurtherColonsAndMayBeEmpty() {
        let decoded = decodeEverySplit("SEND\nurl:http://a:1/\n spaced : out \nempty:\n\n\0")
        #expect(decoded.frames.first?.headers.map(\.name) == ["url", " spaced ", "empty"])
        #expect(decoded.frames.first?.headers.map(\.value) == ["http://a:1/", " out ", ""])
    }

    @Test func escapesOfEachVersion() {
        let text = #"SEND"# + "\n" + #"a\cb:\\\n\c"# + "\n\n\0"
        for version in [ProtocolVersion.v11, .v12] {
            let headers = decodeEverySplit(text, version: version).frames.first?.headers
            #expect(headers.map(Array.init) == [Header("a:b", "\\\n:")])
        }
        let plain = decodeEverySplit(text, version: .v10).frames.first?.headers
        #expect(plain.map(Array.init) == [Header(#"a\cb"#, #"\\\n\c"#)])
        #expect(decodeEverySplit("SEND\na:\\r\n\n\0").frames.first?.headers["a"] == "\r")
    }

    @Test(arguments: [Command.connect, .stomp, .connected]) func noEscapesWhenConnecting(_ command: Command) {
        let decoded = decodeEverySplit("\(command.rawValue)\npasscode:a\\nb\\x\n\n\0")
        #expect(decoded.frames.first?.headers["passcode"] == #"a\nb\x"#)
    }

    @Test func otherLanguages() {
        let decoded = decodeEverySplit("SEND\ndestination:/topic/Глашатай\n\n号外 🔔\0")
        #expect(decoded.frames.first?.headers["destination"] == "/topic/Глашатай")
        #expect(decoded.frames.first.map { String(buffer: $0.body) } == "号外 🔔")
    }

    @Test func versionCanChangeBetweenFrames() throws {
        var decoder = FrameDecoder()
        var bytes = ByteBuffer(string: "CONNECT\n\n\0")
        decoder.feed(&bytes)
        #expect(try decoder.next() == .frame(Frame(.connect)))
        decoder.version = .v11
        bytes = ByteBuffer(string: "SEND\na:\\r\n\n\0")
        decoder.feed(&bytes)
        #expect(throws: FrameError.self) { try decoder.next() }
    }

    @Test func bodyIsASliceOfWhatWasFed() throws {
        var fed = ByteBuffer(string: "SEND\ncontent-length:5\n\nhello\0")
        let range = fed.withUnsafeReadableBytes {
            UInt(bitPattern: $0.baseAddress)...UInt(bitPattern: $0.baseAddress) + 29
        }
        var decoder = FrameDecoder()
        decoder.feed(&fed)
        #expect(fed.readableBytes == 0)
        guard case .frame(let frame) = try decoder.next() else {
            Issue.record("no frame")
            return
        }
        let start = frame.body.withUnsafeReadableBytes { UInt(bitPattern: $0.baseAddress) }
        #expect(range.contains(start))
    }

    @Test(.timeLimit(.minutes(1))) func largestBodyByteByByteTakesLinearTime() throws {
        var limits = Limits()
        limits.bodyBytesMax = 100_000
        for head in ["SEND\ncontent-length:100000\n\n", "SEND\n\n"] {
            var decoder = FrameDecoder(limits: limits)
            var head = ByteBuffer(string: head)
            decoder.feed(&head)
            for _ in 0..<100_000 {
                var byte = ByteBuffer(bytes: CollectionOfOne(UInt8(ascii: "x")))
                decoder.feed(&byte)
                let event = try decoder.next()
                if event != nil { Issue.record("the frame ended early") }
            }
            var null = ByteBuffer(bytes: CollectionOfOne(UInt8(0)))
            decoder.feed(&null)
            guard case .frame(let frame) = try decoder.next() else {
                Issue.record("no frame")
                return
            }
            #expect(frame.body.readableBytes == 100_000)
        }
    }

    @Test func aHeartBeatIsKnownWithoutBeingFedBetweenFramesOnly() throws {
        var decoder = FrameDecoder()
        #expect(decoder.isHeartBeat(ByteBuffer(string: "\n")))
        for other in ["", "\n\n", "\r", "\r\n", "S", "\0"] { #expect(!decoder.isHeartBeat(ByteBuffer(string: other))) }
        for beginning in ["\r", "SEND\n", "SEND\ndestination:/topic/a\n\n"] {
            var bytes = ByteBuffer(string: beginning)
            decoder = FrameDecoder()
            decoder.feed(&bytes)
            _ = try decoder.next()
            #expect(!decoder.isHeartBeat(ByteBuffer(string: "\n")), "within a frame it is part of it")
        }
        var bytes = ByteBuffer(string: "NONSENSE\n")
        decoder.feed(&bytes)
        _ = try? decoder.next()
        #expect(!decoder.isHeartBeat(ByteBuffer(string: "\n")), "after an error")
    }
}
