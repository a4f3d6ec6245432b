import BelfryModel
import Testing

@Suite struct SendDestinationTests {
    @Test(arguments: [
        ("/user/alice/queue/msg", Address.user("alice")), ("/user/a%2Fb/queue/x/y", .user("a/b")),
        ("/user/100%25/queue/msg", .user("100%")), ("/user/Zo%C3%AB/queue/msg", .user("Zoë")),
        ("/user/a b/queue/msg", .user("a b")), ("/topic/news", .topic("news")), ("/topic/a/b%2F", .topic("a/b%2F")),
    ])
    func destinationsThatAreServed(_ text: String, _ address: Address) throws {
        #expect(try SendDestination(parsing: text).address == address)
    }

    @Test(arguments: [
        "", "/", "/user/", "/user/alice", "/user/alice/queue", "/user/alice/queue/", "/user//queue/msg",
        "/user/queue/msg",
        "/user/a/b/queue/msg", "/queue/a", "/topic/", "topic/a", "/user/%/queue/msg", "/user/%2/queue/msg",
        "/user/%G0/queue/msg", "/user/%FF/queue/msg", "/app/x", "/topic/" + String(repeating: "x", count: 256),
    ])
    func destinationsThatAreNot(_ text: String) {
        #expect(throws: SendDestination.Invalid.self) { try SendDestination(parsing: text) }
    }
}
