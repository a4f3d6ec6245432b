import Testing

@testable import MessageTrace

/// W3C Trace Context as it stands in a message's headers.
@Suite struct TraceParentTests {
    private static let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    private func parse(_ lines: String) -> TraceParent? {
        var lines = lines
        return lines.withUTF8 { TraceParent(inHeaderLines: UnsafeRawBufferPointer($0)) }
    }

    @Test func itIsFoundAmongHeaderLines() throws {
        let parent = try #require(parse("a:b\ntraceparent:\(Self.good)\ntracestate:v=x\\cy,w=2\nz:traceparent\n"))
        #expect(parent.traceID == "0af7651916cd43dd8448eb211c80319c")
        #expect(parent.spanID == "b7ad6b7169203331")
        #expect(parent.isSampled && parent.state == "v=x:y,w=2")
        #expect(parse("xtraceparent:\(Self.good)\nb:traceparent:\(Self.good)\n") == nil)
        #expect(parse("") == nil)
    }

    @Test func theFlagSampledCountsWhateverTheOthersSay() throws {
        #expect(
            try #require(parse("traceparent:00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00\n")).isSampled
                == false)
        #expect(try #require(parse("traceparent:00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03\n")).isSampled)
        #expect(
            try #require(parse("traceparent:00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-02\n")).isSampled
                == false)
    }

    /// "Trace Context", 3.2.2 and 4.3: all zeros, upper case, other lengths and version ff are no context; a later
    /// version may have more behind another dash.
    @Test(arguments: [
        ("00-00000000000000000000000000000000-b7ad6b7169203331-01", false),
        ("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", false),
        ("00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", false),
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0", false),
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x", false),
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-011", false),
        ("ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", false),
        ("0g-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", false),
        ("00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", false),
        ("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", true),
        ("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more", true),
        ("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01.more", false),
        ("00-0000000000000000000000000000000a-0000000000000001-01", true),
        ("", false),
    ])
    func whatIsNoContextIsAsGoodAsNone(text: String, isOne: Bool) {
        #expect((parse("traceparent:\(text)\n") != nil) == isOne)
    }

    @Test func garbageDoesNotTrap() {
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<2_000 {
            var bytes = Array("traceparent:\(Self.good)\n".utf8)
            for _ in 0..<3 { bytes[Int.random(in: 0..<bytes.count)] = UInt8.random(in: 0...255, using: &generator) }
            bytes.removeLast(Int.random(in: 0..<bytes.count))
            _ = bytes.withUnsafeBytes { TraceParent(inHeaderLines: $0) }
        }
    }
}
