import Testing

@testable import BelfryClient

struct ServerAddressTests {
    @Test(arguments: [
        ("wss://push.example.com/ws", true, true, "push.example.com", 443, "/ws", "push.example.com"),
        ("ws://127.0.0.1:8080/ws?x=%20y", true, false, "127.0.0.1", 8080, "/ws?x=%20y", "127.0.0.1:8080"),
        ("WS://localhost", true, false, "localhost", 80, "/", "localhost"),
        ("ws://[::1]:8080/ws", true, false, "::1", 8080, "/ws", "[::1]:8080"),
        ("stomp://push.example.com", false, false, "push.example.com", 61613, "", "push.example.com:61613"),
        ("stomps://push.example.com:61614/", false, true, "push.example.com", 61614, "/", "push.example.com:61614"),
    ])
    func whatIsUsed(
        url: String, isWebSocket: Bool, usesTLS: Bool, host: String, port: Int, path: String, authority: String
    ) throws {
        let address = try ServerAddress(parsing: url)
        #expect(address.isWebSocket == isWebSocket && address.usesTLS == usesTLS)
        #expect(address.host == host && address.port == port && address.path == path)
        #expect(address.authority == authority)
    }

    @Test(arguments: [
        ("", "no URL"), ("push.example.com/ws", "no URL"), ("http://h/ws", "does not begin with ws://"),
        ("ws:///ws", "no host"), ("ws://a%0d%0aEvil:x/ws", "URL"), ("ws://a%20b/ws", "host"),
        ("ws://u:p@h/ws", "user or password"),
        ("ws://h:0/ws", "port"), ("ws://h:70000/ws", "port"), ("stomp://h/path", "no path"), ("ws://h h/", "URL"),
    ])
    func whatIsNot(url: String, words: String) {
        do throws(BelfryClientError) {
            _ = try ServerAddress(parsing: url)
            Issue.record("\(url) was taken")
        } catch {
            #expect(error.code == .invalidConfiguration)
            #expect(error.message.contains(words), "\(error.message)")
        }
    }
}
