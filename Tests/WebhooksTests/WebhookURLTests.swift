import Testing

@testable import Webhooks

@Suite struct WebhookURLTests {
    private func isAllowed(_ url: String, by prefixes: [String] = []) throws -> Bool {
        switch try WebhookURLRules(allowed: prefixes).judge(url) {
        case .success: true
        case .failure: false
        }
    }

    @Test(arguments: [
        "https://app.example/hooks", "https://app.example", "https://app.example:8443/a/b?x=1",
        "https://[2001:db8::1]/h",
        "http://127.0.0.1:9000/h", "http://localhost/h", "http://[::1]:1/h", "HTTPS://APP.EXAMPLE/h".lowercased(),
    ])
    func `what goes by https, or to this machine, is asked`(url: String) throws {
        #expect(try isAllowed(url))
    }

    @Test(arguments: [
        "http://app.example/h", "http://10.0.0.1/h", "http://localhost.evil.example/h",
        "http://127.0.0.1.evil.example/",
        "http://127.1/h", "http://2130706433/h", "http://0x7f000001/h", "ftp://app.example/", "file:///etc/passwd",
        "https://user:pass@app.example/", "https://app.example@evil.example/", "https://app.example/a/../b",
        "https://app.example/%2e%2e/b", "https://app.example/a%2F..%2Fb", "https://app.example/a%5cb",
        "https://app.example/a\\b", "https://app.example/ a", "https://app.example/a\r\nX: y", "https://app.example/#f",
        "https://app.example:0/", "https://app.example:99999/", "https:///h", "//app.example/h", "", "https://",
        "https://bücher.example/", "https://app.example:443:443/",
    ])
    func `everything else is not, and told`(url: String) throws {
        let answer = try WebhookURLRules(allowed: []).judge(url)
        let problem = #expect(throws: WebhookProblem.self) { try answer.get() }
        #expect(problem?.description.hasPrefix("The relay does not ask") == true)
    }

    @Test func `of those that are named, server and path must be the same, up to a slash`() throws {
        let prefixes = ["https://app.example/hooks", "https://mail.example:8443/"]
        for url in [
            "https://app.example/hooks", "https://app.example/hooks/", "https://app.example/hooks/a?b=c",
            "https://APP.example:443/hooks/a", "https://mail.example:8443/anything",
        ] { #expect(try isAllowed(url, by: prefixes), "\(url)") }
        for url in [
            "https://app.example/hooksmore", "https://app.example/", "https://app.example.evil.example/hooks",
            "https://app.example:444/hooks", "https://mail.example/", "https://other.example/hooks",
            "http://127.0.0.1/hooks", "http://localhost/", "https://app.example/hooks/../admin",
        ] { #expect(try !isAllowed(url, by: prefixes), "\(url)") }
    }

    @Test func `this machine can be named as well`() throws {
        #expect(try isAllowed("http://127.0.0.1:9000/a", by: ["http://127.0.0.1:9000"]))
        #expect(try !isAllowed("http://127.0.0.1:9001/a", by: ["http://127.0.0.1:9000"]))
        // Named or not, nothing goes in the clear to others.
        #expect(try !isAllowed("http://app.example/a", by: ["http://app.example"]))
    }

    @Test func `a prefix that is no URL is refused`() {
        #expect(throws: WebhookProblem.self) { try WebhookURLRules(allowed: ["app.example"]) }
        #expect(throws: WebhookProblem.self) { try WebhookURLRules(allowed: ["https://app.example/?x"]) }
    }
}
