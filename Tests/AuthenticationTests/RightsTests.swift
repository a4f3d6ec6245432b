import Testing

@testable import Authentication

@Suite("Rights")
struct RightsTests {
    private static func pattern(_ text: String) throws -> DestinationPattern { try #require(DestinationPattern(text)) }

    @Test("A pattern stands for itself, for one segment, or for the rest")
    func matching() throws {
        let exact = try Self.pattern("/topic/news")
        #expect(exact.matches("/topic/news"))
        for other in ["/topic/news/", "/topic/new", "/topic/News", "topic/news", "", "/topic", "/topic/news/x"] {
            #expect(!exact.matches(other), "\(other)")
        }
        let one = try Self.pattern("/user/*/queue/orders")
        #expect(one.matches("/user/alice/queue/orders"))
        #expect(one.matches("/user//queue/orders"))
        #expect(!one.matches("/user/alice/x/queue/orders"))
        let rest = try Self.pattern("/topic/shop/**")
        #expect(rest.matches("/topic/shop/a"))
        #expect(rest.matches("/topic/shop/a/b/c"))
        #expect(!rest.matches("/topic/shop"))
        #expect(!rest.matches("/topic/shopping/a"))
    }

    @Test("Letters are compared by their bytes")
    func bytes() throws {
        #expect(!(try Self.pattern("/topic/\u{E9}").matches("/topic/e\u{301}")))
        #expect(try Self.pattern("/topic/\u{E9}").matches("/topic/\u{E9}"))
    }

    @Test(
        "What is no pattern is refused",
        arguments: [
            "", "topic/x", "/topic/a*", "/topic/**/x", "/topic/***", "*", "/" + String(repeating: "a", count: 1024),
        ]
    )
    func noPattern(_ text: String) { #expect(DestinationPattern(text) == nil) }

    @Test("Without a word on rights every topic may be received and nothing be sent")
    func standard() {
        #expect(Rights.standard.maySubscribe(to: "/topic/anything"))
        #expect(!Rights.standard.maySend(to: "/topic/anything"))
        #expect(Rights.all.maySend(to: "/user/alice/queue/msg"))
        #expect(Rights.all.maySend(to: "/topic/a/b"))
        #expect(!Rights.all.maySend(to: "/app/x"))
        #expect(!Rights(topics: []).maySubscribe(to: "/topic/anything"))
    }
}
