import BelfryModel
import Testing

@testable import MessageTrace

/// Of which messages it is noted what becomes of them.
@Suite struct TraceRecorderTests {
    private static let sampled = "traceparent:00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\n"
    private static let unsampled = "traceparent:00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00\n"

    private func settings(_ change: (inout TraceSettings) -> Void = { _ in }) -> TraceSettings {
        var settings = TraceSettings()
        settings.sample = 10
        change(&settings)
        return settings
    }

    private func reason(
        _ recorder: TraceRecorder, _ id: Int64, headers: String = "", receiver: String? = "alice",
        body: String = #"{"id":"7","type":"NEWS","receiver":"alice"}"#
    ) -> TraceReason? {
        let id = MessageID(rawValue: id)
        var (headers, body) = (headers, body)
        guard recorder.mayWant(id, hasHeaders: !headers.isEmpty) else { return nil }
        return headers.withUTF8 { headers in
            body.withUTF8 { body in
                recorder.choice(
                    of: id, headerLines: UnsafeRawBufferPointer(headers), receiver: receiver,
                    body: UnsafeRawBufferPointer(body))?.reason
            }
        }
    }

    @Test func aSampleIsTakenByIDs() {
        let recorder = TraceRecorder(settings())
        #expect((1...30).filter { reason(recorder, $0) != nil } == [10, 20, 30])
        let none = TraceRecorder(settings { $0.sample = 0 })
        #expect((1...30).allSatisfy { reason(none, $0) == nil })
    }

    @Test func aSampledTraceAsksAndAnUnsampledOneDoesNot() {
        let recorder = TraceRecorder(settings())
        #expect(reason(recorder, 7, headers: Self.sampled) == .asked)
        #expect(reason(recorder, 7, headers: Self.unsampled) == nil)
        #expect(reason(recorder, 7, headers: "a:b\n") == nil)
        #expect(reason(recorder, 10, headers: Self.unsampled) == .sample)
    }

    @Test func receiversAndTypesAreWatched() {
        let recorder = TraceRecorder(settings())
        #expect(reason(recorder, 7) == nil)
        recorder.watch(WatchList(receivers: ["bob"], types: ["NEWS"]))
        #expect(reason(recorder, 7) == .watch)
        #expect(reason(recorder, 7, receiver: nil) == .watch)
        let other = #"{"id":"7","type":"NEWS2","receiver":"alice","data":"\",\"type\":\"NEWS"}"#
        #expect(reason(recorder, 7, body: other) == nil)
        #expect(reason(recorder, 7, receiver: "bob", body: other) == .watch)
        #expect(reason(recorder, 7, receiver: nil, body: other) == nil)
        recorder.watch(WatchList())
        #expect(reason(recorder, 7) == nil)
    }

    @Test(arguments: ["", "{", #"{"id":"#, #"{"id":"7""#, #"{"id":"7","type":"NE"#, #"{"id":"7","kind":"NEWS"}"#])
    func aBodyThatIsNoneHasNoType(body: String) {
        var body = body
        #expect(body.withUTF8 { WatchList.type(of: UnsafeRawBufferPointer($0)) } == nil)
    }

    @Test func slownessHasABoundOrNone() {
        let recorder = TraceRecorder(settings { $0.slowerThan = .seconds(2) })
        #expect(recorder.looksAtAges)
        #expect(!recorder.isSlow(ageMilliseconds: 1_999) && recorder.isSlow(ageMilliseconds: 2_000))
        let none = TraceRecorder(settings { $0.slowerThan = .zero })
        #expect(!none.looksAtAges && !none.isSlow(ageMilliseconds: .max - 1))
    }

    @Test func whereNothingIsKeptOnlySpansAreMade() {
        #expect(!TraceRecorder.off.isOn)
        let recorder = TraceRecorder(.off, spans: NoSpans())
        #expect(recorder.isOn && !recorder.looksAtAges)
        #expect(reason(recorder, 1_000) == nil && reason(recorder, 7, headers: Self.sampled) == .asked)
        recorder.note(MessageID(rawValue: 1), .published, .asked)
        #expect(recorder.take(10).hops.isEmpty)
    }

    private struct NoSpans: MessageSpans {
        func add(_ span: MessageSpan) {}
    }

    @Test func relayAndNodeNameTheSameSpan() throws {
        let lines = Array(Self.sampled.utf8)
        let parent = try #require(lines.withUnsafeBytes { TraceParent(inHeaderLines: $0) })
        func span(_ operation: MessageSpan.Operation, xid: UInt64 = 9, term: Int64 = 3) -> UInt64? {
            MessageSpan(
                operation, parent: parent, message: MessageID(rawValue: 7), address: .user("alice"),
                publication: .init(xid: xid, term: term), start: 1, end: 2, bodyBytes: nil
            ).publicationSpan
        }
        #expect(span(.publish) != nil && span(.publish) == span(.deliver))
        #expect(Set([span(.publish), span(.publish, xid: 10), span(.publish, term: 4)]).count == 3)
        #expect(span(.deliver, term: 0) == nil)
    }
}
