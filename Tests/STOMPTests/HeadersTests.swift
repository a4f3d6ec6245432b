import STOMP
import Testing

@Suite struct HeadersTests {
    @Test func firstEntryWins() {
        var headers: Headers = ["a": "1", "b": "2", "a": "3"]
        headers.append("b", "4")
        headers.append(Header("c", "5"))
        #expect(headers["a"] == "1")
        #expect(headers["b"] == "2")
        #expect(headers["c"] == "5")
        #expect(headers.map(\.value) == ["1", "2", "3", "4", "5"])
    }

    @Test func namesAreCaseSensitive() {
        let headers: Headers = ["Receipt": "1"]
        #expect(headers["receipt"] == nil)
        #expect(Headers().isEmpty)
    }
}
