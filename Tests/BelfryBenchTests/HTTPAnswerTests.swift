import Testing

@testable import BelfryBench

@Suite struct HTTPAnswerTests {
    private static let accepted = Array(
        "HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 14\r\n\r\n{\"ids\":[\"57\"]}".utf8)

    @Test func aWholeAnswerIsReadWithItsLength() throws {
        let next = Array("HTTP/1.1 200".utf8)
        let found = try #require(try HTTPAnswer.first(in: Self.accepted + next))
        #expect(found.answer.status == 202)
        #expect(String(decoding: found.answer.body, as: UTF8.self) == #"{"ids":["57"]}"#)
        #expect(found.length == Self.accepted.count)
    }

    @Test func everyBeginningIsNoAnswerYet() throws {
        for count in 0..<Self.accepted.count {
            #expect(try HTTPAnswer.first(in: Array(Self.accepted[..<count])) == nil, "\(count) bytes")
        }
    }

    @Test(arguments: [
        "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", "nonsense\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    ])
    func anythingElseIsRefused(text: String) {
        #expect(throws: LoadError.self) { try HTTPAnswer.first(in: Array(text.utf8)) }
    }
}
