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
        let kept = all.keeping(fields: ["Authorization", "COOKIE"])
        #expect(kept.fields.map(\.name) == ["cookie", "Cookie"])
        #expect(kept.fields.map(\.value) == ["a=1", "b=2"])
        #expect(kept.transport == "websocket")
    }

    @Test("Nothing where nothing is asked for: a session lives for hours")
    func keepsNothing() {
        #expect(Self.connection([("Cookie", "a=1")]).keeping(fields: []).fields.isEmpty)
    }
}
