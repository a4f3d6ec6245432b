import Testing

@testable import SockJS

@Suite("SockJSResource")
struct SockJSResourceTests {
    @Test(
        arguments: [
            ("", .greeting), ("/", .greeting), ("/info", .info), ("/websocket", .rawWebSocket),
            ("/iframe.html", .iframe), ("/iframe-1.6.1.html", .iframe), ("/iframe-0.1.2abc-dirty.2144.html", .iframe),
            ("/000/abc/xhr", .session(id: "abc", .xhr)), ("/_/i-j%20/xhr_send", .session(id: "i-j%20", .xhrSend)),
            ("/1/1/jsonp_send", .session(id: "1", .jsonpSend)), ("/1/1/websocket", .session(id: "1", .websocket)),
        ] as [(String, SockJSResource)])
    func whatThereIs(_ path: String, _ resource: SockJSResource) {
        #expect(SockJSResource(path) == resource)
    }

    @Test(
        arguments: [
            "/a", "//", "///", "/a/a", "/a/a/", "/info/", "/INFO", "/iframe", "/iframe.htm", "/IFRAME.HTML",
            "/iframe.HTML",
            "/iframe-/.html", "/iframe-A.html", "/a/a/xhr/", "/a/a/XHR", "/a./a/xhr", "/a/a./xhr", "/../a/xhr",
            "//a/xhr",
            "/a//xhr", "/a/b/c/xhr", "/a/a/xhr_streaming_send", "/a/\(String(repeating: "x", count: 129))/xhr",
        ])
    func whatThereIsNot(_ path: String) { #expect(SockJSResource(path) == nil) }

    @Test func callbacks() throws {
        #expect(try CallbackName.parse(query: "t=1&c=%63all.b-a_c") == "call.b-a_c")
        #expect(try CallbackName.parse(query: "callback=x") == "x")
        for query in ["", "c=", "cc=x", "c"] {
            #expect(throws: CallbackName.Failure.missing) { try CallbackName.parse(query: query) }
        }
        for query in ["c=a(b)", "c=%3Cscript", "c=a%20", "c=ä", "c=\(String(repeating: "x", count: 129))"] {
            #expect(throws: CallbackName.Failure.invalid) { try CallbackName.parse(query: query) }
        }
        // An escape that is none is no name.
        #expect(throws: CallbackName.Failure.missing) { try CallbackName.parse(query: "c=%6") }
    }

    @Test func forms() {
        func value(_ text: String) -> String? {
            FormField.value("d", in: text.utf8).map { String(decoding: $0, as: UTF8.self) }
        }
        #expect(value("d=%5B%22x+y%22%5D") == "[\"x y\"]")
        #expect(value("a=1&d=2&d=3") == "2")
        #expect(value("d") == "" && value("d=") == "")
        #expect(value("dd=1") == nil && value("") == nil && value("d=%") == nil && value("d=%zz") == nil)
    }

    @Test func cookies() {
        #expect(SessionCookie.value(in: ["a=b; JSESSIONID=abc.1; c=d"]) == "abc.1")
        #expect(SessionCookie.value(in: ["a=b", "JSESSIONID=x"]) == "x")
        for field in ["", "JSESSIONID=", "XJSESSIONID=a", "JSESSIONID=a b", "JSESSIONID=a\"", "JSESSIONID=ä"] {
            #expect(SessionCookie.value(in: [field]) == nil, "\(field)")
        }
        #expect(SessionCookie.value(in: ["JSESSIONID=\(String(repeating: "x", count: 129))"]) == nil)
    }

    @Test func anIframePageHasOneTagAndEscapesItsSource() {
        let page = IframePage(clientURL: "https://x/a.js?b&\"><script>")
        #expect(page.tag == IframePage(clientURL: "https://x/a.js?b&\"><script>").tag)
        #expect(page.tag != IframePage(clientURL: "https://x/b.js").tag)
        let body = String(buffer: page.body)
        #expect(body.contains("<script src=\"https://x/a.js?b&amp;&quot;>&lt;script>\"></script>"))
    }
}
