import Authentication
import BelfryModel
import Commands
import NIOCore
import Outbox
import Testing

@Suite struct PostedMessageTests {
    private static func post(
        _ destination: String = "/topic/a", _ headers: KeyValuePairs<String, String> = [:], _ body: String = "1",
        rights: Rights = .all
    ) throws -> SendRow {
        try PostedMessage(
            to: destination, headers: headers.map { ($0.key, $0.value) }, body: ByteBuffer(string: body),
            by: Identity(user: "mallory", rights: rights)
        ).row
    }

    private static func refusal(_ body: () throws -> SendRow) -> CommandRefusal? {
        do {
            _ = try body()
            return nil
        } catch { return error as? CommandRefusal }
    }

    @Test func aPlainOne() throws {
        #expect(try Self.post() == SendRow(address: .topic("a"), type: "JSON_MSG", data: "1"))
        #expect(
            try Self.post("/user/alice/queue/x", ["type": "STRING_MSG"], "")
                == SendRow(address: .user("alice"), type: "STRING_MSG", data: "", isText: true))
    }

    /// PostgreSQL would write it in 131,072 digits, and as often as it stands there.
    @Test(arguments: [
        ("[1e131071,1]", "1e131071"), ("{\"a\":-2.5E+309}", "2.5E+309"), ("1e-400", "1e-400"),
        ("1e0000000000309", "1e0000000000309"),
        ("[\"\\\"\",1e999]", "1e999"),
    ])
    func aNumberThatNobodyCanHoldIsRefused(body: String, number: String) {
        let refusal = Self.refusal { try Self.post("/topic/a", [:], body) }
        #expect(refusal?.code == .invalid)
        #expect(refusal?.message.contains("the number \(number):") == true, "\(refusal?.message ?? "")")
    }

    @Test(arguments: ["1e308", "[1E-308, 12345678901234567890]", "\"1e999\"", "{\"e999\": 1}", "\"\\\"1e999\"", "true"])
    func othersAreNot(body: String) throws {
        #expect(try Self.post("/topic/a", [:], body).data == body)
    }

    @Test func aTextMayHoldAnyNumber() throws {
        #expect(try Self.post("/topic/a", ["type": "STRING_MSG"], "1e999").data == "1e999")
    }

    @Test func headersForTheReceiversAreBounded() {
        let long = Self.refusal { try Self.post("/topic/a", ["x": String(repeating: "ü", count: 5_000)]) }
        #expect(long?.message.contains("1 of 10001 bytes, are too many: at most 32 go, of 8192 bytes") == true)
    }

    @Test func headersThatAreNotTheServersGoOn() throws {
        let row = try Self.post(
            "/topic/a",
            [
                "destination": "/topic/a", "content-type": "text/plain", "x": "1", "x": "2", "AUTHORIZATION": "secret",
                "token": "secret", "passcode": "secret", "receipt": "r", "transaction": "t", "content-length": "1",
                "unread": "true", "Counted": "true",
            ])
        #expect(row.headers == "{\"x\":\"1\"}")
    }

    @Test func ofRepeatedNamesTheFirstCounts() throws {
        #expect(try Self.post("/topic/a", ["type": "A", "type": "B"]).type == "A")
    }

    @Test(
        arguments: [
            ("4102444800000", 4_102_444_800_000), ("2100-01-01T00:00:00Z", 4_102_444_800_000),
            ("2100-01-01T01:00:00.250+01:00", 4_102_444_800_250), ("1", 1),
        ] as [(String, Int64)])
    func times(_ text: String, _ milliseconds: Int64) throws {
        #expect(try Self.post("/topic/a", ["expires-at": text]).expiresAtMilliseconds == milliseconds)
        #expect(try Self.post("/topic/a", ["not-before": text]).notBeforeMilliseconds == milliseconds)
    }

    @Test(arguments: ["", "0", "-1", "soon", "2100-01-01", "99999999999999999", "1e3", "infinity", "4102444800000.5"])
    func noTimes(_ text: String) {
        let refusal = Self.refusal { try Self.post("/topic/a", ["expires-at": text]) }
        #expect(refusal?.message.contains("the header expires-at must be a time") == true)
    }

    @Test func withoutTheRightNothingGoes() throws {
        let rights = Rights(sends: ["/topic/shop/*", "/user/*/queue/orders"].compactMap(DestinationPattern.init))
        for allowed in ["/topic/shop/a", "/user/alice/queue/orders"] {
            _ = try Self.post(allowed, rights: rights)
        }
        for other in ["/topic/a", "/topic/shop/a/b", "/user/alice/queue/msg", "/user/alice/queue/orders/x"] {
            let refusal = Self.refusal { try Self.post(other, rights: rights) }
            #expect(refusal?.code == .forbidden, "\(other)")
        }
        #expect(Self.refusal { try Self.post(rights: .standard) }?.code == .forbidden)
    }

    @Test func keysAreTheSendersOwn() throws {
        #expect(try Self.post("/topic/a", ["idempotency-key": "order-7"]).idempotencyKey == "stomp:mallory:order-7")
        let longest = String(repeating: "k", count: 255 - "stomp:mallory:".utf8.count)
        #expect(try Self.post("/topic/a", ["idempotency-key": longest]).idempotencyKey?.utf8.count == 255)
        for key in ["", longest + "k", "a\0"] {
            #expect(Self.refusal { try Self.post("/topic/a", ["idempotency-key": key]) }?.code == .invalid)
        }
    }

    @Test(arguments: ["a\0b", "\0"]) func noNULs(_ body: String) {
        #expect(Self.refusal { try Self.post("/topic/a", ["type": "STRING_MSG"], body) }?.code == .invalid)
    }

    @Test func bodiesAreUTF8() {
        #expect(throws: CommandRefusal.self) {
            try PostedMessage(
                to: "/topic/a", headers: [], body: ByteBuffer(bytes: [0x22, 0xFF, 0x22]),
                by: Identity(user: "mallory", rights: .all))
        }
    }

    @Test(arguments: [
        "/user/e\u{301}/queue/x", "/user/a%0Ab/queue/x", "/user/" + String(repeating: "x", count: 256) + "/queue/x",
    ])
    func usersThatNobodyCanBe(_ destination: String) {
        #expect(Self.refusal { try Self.post(destination) }?.code == .invalid)
    }
}
