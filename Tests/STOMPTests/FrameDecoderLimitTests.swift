import BelfryModel
import STOMP
import Testing

/// Each limit exactly at, and one over.
@Suite struct FrameDecoderLimitTests {
    var limits: Limits {
        var limits = Limits()
        limits.headerLineBytesMax = 20
        limits.headersMax = 3
        limits.bodyBytesMax = 10
        return limits
    }

    @Test(arguments: ["\n", "\r\n"]) func headerLine(_ eol: String) {
        let atLimit = "SEND\(eol)a:\(String(repeating: "x", count: 18))\(eol)\(eol)\0"
        #expect(decodeEverySplit(atLimit, limits: limits).frames.first?.headers["a"]?.count == 18)

        let over = "SEND\(eol)a:\(String(repeating: "x", count: 19))\(eol)\(eol)\0"
        let error = decodeEverySplit(over, limits: limits).error
        #expect(error?.code == .lineTooLong)
        #expect(error?.closeReason == .frameTooLarge)
        #expect(error?.message == "Header line 1 of SEND is over 20 bytes; make it shorter.")
    }

    @Test func headerLineThatNeverEnds() {
        let error = decodeEverySplit("SEND\n" + String(repeating: "x", count: 22), limits: limits).error
        #expect(error?.code == .lineTooLong)
        #expect(decodeEverySplit("SEND\n" + String(repeating: "x", count: 21), limits: limits).error == nil)
    }

    @Test func commandLineThatNeverEnds() {
        let error = decodeEverySplit(String(repeating: "A", count: 13), limits: limits).error
        #expect(error?.code == .unknownCommand)
        #expect(decodeEverySplit("UNSUBSCRIBE\r\n\r\n\0", limits: limits).frames == [Frame(.unsubscribe)])
    }

    @Test func headers() {
        #expect(decodeEverySplit("SEND\na:1\nb:2\nc:3\n\n\0", limits: limits).frames.first?.headers.count == 3)
        let error = decodeEverySplit("SEND\na:1\nb:2\nc:3\nd:4\n\n\0", limits: limits).error
        #expect(error?.code == .tooManyHeaders)
        #expect(error?.closeReason == .frameTooLarge)
        #expect(error?.message == "SEND has more than 3 headers; send fewer.")
    }

    @Test func headersTogether() {
        var limits = limits
        limits.headerBytesMax = 9
        #expect(decodeEverySplit("SEND\na:1\nb:2\nc:3\n\n\0", limits: limits).frames.first?.headers.count == 3)
        let error = decodeEverySplit("SEND\na:1\nb:2\nc:34\n\n\0", limits: limits).error
        #expect(error?.code == .headersTooLarge)
        #expect(error?.closeReason == .frameTooLarge)
        #expect(error?.message == "The headers of SEND are over 9 bytes together; send less in them.")
    }

    @Test func headersTogetherAreCountedAnewInEachFrame() {
        var limits = limits
        limits.headerBytesMax = 9
        let frame = "SEND\na:1\nb:2\nc:3\n\n\0"
        #expect(decodeEverySplit(frame + frame + frame, limits: limits).frames.count == 3)
    }

    @Test func bodyEndedByNull() {
        #expect(decodeEverySplit("SEND\n\n0123456789\0", limits: limits).frames.first?.body.readableBytes == 10)
        let error = decodeEverySplit("SEND\n\n0123456789a\0", limits: limits).error
        #expect(error?.code == .bodyTooLarge)
        #expect(error?.closeReason == .frameTooLarge)
        #expect(error?.message == "The body of SEND is over 10 bytes; send a smaller one.")
    }

    @Test func bodyThatNeverEnds() {
        #expect(decodeEverySplit("SEND\n\n0123456789", limits: limits) == Decoded())
        #expect(decodeEverySplit("SEND\n\n0123456789a", limits: limits).error?.code == .bodyTooLarge)
    }

    @Test func bodyOfContentLength() {
        let atLimit = decodeEverySplit("SEND\ncontent-length:10\n\n0123456789\0", limits: limits)
        #expect(atLimit.frames.first?.body.readableBytes == 10)
        let over = decodeEverySplit("SEND\ncontent-length:11\n\n", limits: limits)
        #expect(over.error?.code == .bodyTooLarge)
    }
}
