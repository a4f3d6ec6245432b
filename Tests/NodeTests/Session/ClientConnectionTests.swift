import Testing

@testable import Node

@Suite("What is kept of a client's connection")
struct ClientConnectionTests {
    private static func connection(_ fields: [(name: String, value: String)]) -> ClientConnection {
        var connection = ClientConnection(transport: "websocket")
        connection.fields = fields
        return connection
    }

    @Test("Of its request, the fields that are asked for, however they are written, and as often as they came")
    func keepsWhatIsRead() {
        let all = Self.connection([("Host", "h"), ("cookie", "a=1"), ("User-Agent", "x"), ("Cookie", "b=2")])
        var names = ClientNames()
        let kept = all.keeping(fields: ["Authorization", "COOKIE"], clients: &names)
        #expect(kept.fields.map(\.name) == ["cookie", "Cookie"])
        #expect(kept.fields.map(\.value) == ["a=1", "b=2"])
        #expect(kept.transport == "websocket")
        #expect(kept.client == "x")
    }

    @Test("Nothing where nothing is asked for: a session lives for hours")
    func keepsNothing() {
        var names = ClientNames()
        let kept = Self.connection([("Cookie", "a=1")]).keeping(fields: [], clients: &names)
        #expect(kept.fields.isEmpty && kept.client == nil)
    }

    @Test("What a client calls itself is text of a line, and not longer than is shown")
    func namesAreClean() {
        var names = ClientNames()
        #expect(names.name("a\r\n\u{1}ä") == "a?????")
        #expect(names.name("") == nil)
        #expect(names.name(String(repeating: "x", count: 1_000))?.utf8.count == 200)
        for number in 0..<2_000 { #expect(names.name("\(number)") == "\(number)") }
    }
}
