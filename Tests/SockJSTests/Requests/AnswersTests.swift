import NIOCore
import NIOHTTP1
import Testing

@testable import SockJS

/// Answers that have to do with no session.
@Suite("SockJSAnswer")
struct AnswersTests {
    private let test = TestService()

    @Test("The client is told how it may connect") func info() throws {
        let connection = try test.connect()
        let answer = try connection.request("GET", "/info?t=1", headers: ["Origin: https://app.example"])
        #expect(answer.contains("Access-Control-Allow-Origin: https://app.example\r\n"))
        #expect(answer.contains(#"{"websocket":true,"origins":["*:*"],"cookie_needed":false,"entropy":"#))
        #expect(answer.contains("Cache-Control: no-store, no-cache, must-revalidate, max-age=0\r\n"))
        let off = TestService { ($0.takesWebSockets, $0.usesCookie) = (false, true) }
        #expect(try off.connect().request("GET", "/info").contains(#""websocket":false,"#))
        #expect(try off.connect().request("GET", "/info").contains(#""cookie_needed":true,"#))
        #expect(try off.connect().request("GET", "/0/0/websocket").hasPrefix("HTTP/1.1 404 "))
    }

    @Test("A page without an origin of its own is let read by everybody's name") func nullOrigin() throws {
        let answer = try test.connect().request("GET", "/info", headers: ["Origin: null"])
        #expect(answer.contains("Access-Control-Allow-Origin: *\r\n"))
    }

    @Test("A browser's question beforehand is answered for a year") func options() throws {
        let headers = ["Origin: https://app.example", "Access-Control-Request-Headers: x-a, x-b"]
        let answer = try test.connect().request("OPTIONS", "/0/s/xhr_send", headers: headers)
        #expect(answer.hasPrefix("HTTP/1.1 204 ") && answer.contains("Cache-Control: public, max-age=31536000\r\n"))
        #expect(answer.contains("Access-Control-Allow-Methods: OPTIONS, POST\r\n"))
        #expect(answer.contains("Access-Control-Allow-Headers: x-a, x-b\r\n"))
        #expect(test.service.directory.count == 0)
    }

    @Test("Other methods are told which are served", arguments: ["PUT", "DELETE", "HEAD", "GET"])
    func methods(_ method: String) throws {
        let answer = try test.connect().request(method, "/0/s/xhr_send")
        #expect(answer.hasPrefix("HTTP/1.1 405 ") && answer.contains("Allow: OPTIONS, POST\r\n"))
        #expect(answer.hasSuffix("\r\n\r\n") && !answer.lowercased().contains("\r\ncontent-type"))
    }

    @Test("The page for an iframe is kept, and sent again only when it has changed") func iframe() throws {
        let connection = try test.connect()
        let answer = try connection.request("GET", "/iframe-1.6.1.html")
        let tag = try #require(answer.firstMatch(of: #/ETag: (.*)\r\n/#)?.1)
        #expect(answer.contains("sockjs-client@1.6.1/dist/sockjs.min.js\"></script>"))
        #expect(!answer.contains("no-store") && answer.contains("Cache-Control: public, max-age=31536000\r\n"))
        let again = try connection.request("GET", "/iframe.html", headers: ["If-None-Match: \(tag)"])
        #expect(again.hasPrefix("HTTP/1.1 304 ") && again.hasSuffix("\r\n\r\n"))
    }

    @Test("What is not below the path is handed on, and so are later requests of the connection") func others() throws {
        let connection = try test.connect()
        for path in ["/", "/stomp-wsx/info", "/stomp-ws2"] {
            try connection.send("GET \(path) HTTP/1.1\r\nHost: x\r\n\r\n")
            guard case .head(let head)? = try connection.channel.readInbound(as: HTTPServerRequestPart.self) else {
                Issue.record("\(path) was not handed on")
                continue
            }
            #expect(head.uri == path)
            _ = try connection.channel.readInbound(as: HTTPServerRequestPart.self)
            #expect(try connection.read() == "")
            #expect(try connection.request("GET", "").hasSuffix("Welcome to SockJS!\n"))
        }
    }
}
