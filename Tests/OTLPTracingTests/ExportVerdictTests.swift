import Foundation
import NIOCore
import OutgoingHTTP
import Testing

@testable import OTLPTracing

/// What becomes of spans, by what the collector says.
@Suite struct ExportVerdictTests {
    private static let now = Date(timeIntervalSince1970: 1_767_225_600)

    private func verdict(_ status: Int, _ body: String = "", retryAfter: String? = nil) -> ExportVerdict {
        ExportVerdict(
            OutgoingAnswer(status: status, body: ByteBuffer(string: body), retryAfter: retryAfter),
            from: "http://collector:4318/v1/traces", now: Self.now)
    }

    @Test(arguments: [429, 502, 503, 504]) func theseAreTriedAgain(status: Int) {
        #expect(verdict(status) == .later("it answered \(status)", after: nil))
        #expect(verdict(status, retryAfter: "7") == .later("it answered \(status)", after: .seconds(7)))
    }

    @Test func aPauseIsInSecondsOrADateAndNotForEver() {
        func pause(_ text: String) -> Duration? {
            guard case .later(_, let pause) = verdict(503, retryAfter: text) else { return nil }
            return pause
        }
        #expect(pause("0") == .zero && pause("100000") == .seconds(60))
        #expect(pause("Thu, 01 Jan 2026 00:00:05 GMT") == .seconds(5))
        #expect(pause("Wed, 31 Dec 2025 00:00:05 GMT") == .zero)
        #expect(pause("soon") == nil && pause("-1") == nil)
    }

    @Test func otherRefusalsSayWhatToDo() {
        func sentence(_ status: Int) -> String {
            guard case .refused(let sentence) = verdict(status) else { return "" }
            return sentence
        }
        #expect(sentence(404).contains("base URL of a receiver of OTLP over HTTP, usually at port 4318"))
        #expect(sentence(401).contains("otel.headers"))
        #expect(sentence(307).contains("otel.endpoint"))
        #expect(sentence(400) == "http://collector:4318/v1/traces answered 400.")
        #expect(sentence(500) == "http://collector:4318/v1/traces answered 500.")
    }

    @Test func someSpansMayBeRefused() {
        #expect(verdict(200) == .taken && verdict(200, "{}") == .taken && verdict(200, "no JSON") == .taken)
        #expect(verdict(200, #"{"partialSuccess":{}}"#) == .taken)
        #expect(verdict(200, #"{"partialSuccess":{"rejectedSpans":"0","errorMessage":"w"}}"#) == .taken)
        #expect(
            verdict(200, #"{"partialSuccess":{"rejectedSpans":"3","errorMessage":"too old"}}"#)
                == .partly(rejected: 3, "too old"))
        #expect(verdict(200, #"{"partialSuccess":{"rejectedSpans":2}}"#) == .partly(rejected: 2, ""))
    }
}
