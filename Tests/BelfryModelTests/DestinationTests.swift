import BelfryModel
import Testing

@Suite("Destination")
struct DestinationTests {
    @Test(
        "Names are taken as they are",
        arguments: ["msg", "a/b", "with space", "é", "/", ".", String(repeating: "x", count: 255)])
    func names(_ name: String) throws {
        #expect(try Destination(parsing: "/user/queue/" + name) == .userQueue(name: name))
        #expect(try Destination(parsing: "/topic/" + name) == .topic(name: name))
    }

    @Test("A user's queue is the session's own user, whatever its name")
    func address() throws {
        let queue = try Destination(parsing: "/user/queue/bob")
        #expect(queue.address(for: "alice") == .user("alice"))
        let topic = try Destination(parsing: "/topic/news")
        #expect(topic.address(for: "alice") == .topic("news"))
    }

    @Test(
        "What is not served is refused",
        arguments: [
            "", "/", "topic/news", "/topic", "/Topic/news", "/user/queue", "/user/alice/queue/msg", "/queue/msg",
            "/app/ack", " /topic/news", "/user/queue\u{0}/x",
        ])
    func refused(_ text: String) {
        #expect(throws: Destination.Invalid.self) { try Destination(parsing: text) }
    }

    @Test("A name is 1 to 255 bytes of UTF-8")
    func length() throws {
        for prefix in ["/user/queue/", "/topic/"] {
            #expect(throws: Destination.Invalid.self) { try Destination(parsing: prefix) }
            let tooLong = String(repeating: "x", count: 256)
            #expect(throws: Destination.Invalid.self) { try Destination(parsing: prefix + tooLong) }
            // 128 characters, but 256 bytes.
            let tooManyBytes = String(repeating: "é", count: 128)
            #expect(throws: Destination.Invalid.self) { try Destination(parsing: prefix + tooManyBytes) }
            #expect(throws: Never.self) { try Destination(parsing: prefix + String(repeating: "é", count: 127)) }
        }
    }

    @Test(
        "A name may begin with any character, also one that joins the slash before it",
        arguments: ["\u{301}x", "\u{200D}x", "\u{FE0F}", "\r\nx"])
    func joiningCharacters(_ name: String) throws {
        let topic = try Destination(parsing: "/topic/" + name)
        guard case .topic(let parsed) = topic else {
            Issue.record("\(topic) is no topic")
            return
        }
        #expect(Array(parsed.utf8) == Array(name.utf8))
        #expect(topic.address(for: "alice") == .topic(name))
    }

    @Test("The refusal is a sentence of bounded length that says what to do")
    func refusal() {
        let long = String(repeating: "x", count: 100_000)
        for text in [long, "/topic/" + long, "/user/queue/" + long] {
            do {
                _ = try Destination(parsing: text)
                Issue.record("\(text.prefix(20))… was taken")
            } catch {
                #expect(error.description.utf8.count < 400)
                #expect(error.description.hasSuffix("."))
            }
        }
    }
}
