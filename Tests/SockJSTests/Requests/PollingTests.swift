import BelfryModel
import NIOCore
import Testing

@testable import SockJS

/// Sessions whose client asks for frames one at a time.
@Suite("Polling")
struct PollingTests {
    private let test = TestService()

    @Test("A session opens, takes messages, and gives its own to the next request of the same connection")
    func echo() throws {
        let connection = try test.connect()
        #expect(try connection.request("POST", "/000/s/xhr").hasSuffix("2\r\no\n\r\n0\r\n\r\n"))
        let application = try #require(test.applications.first)
        #expect(application.connection.transport == "sockjs-xhr-polling")
        let answer = try connection.request("POST", "/000/s/xhr_send", body: #"["a","b"]"#)
        #expect(answer.hasPrefix("HTTP/1.1 204 ") && application.messages == ["a", "b"])
        application.send("x")
        application.send("\"y\"")
        #expect(try connection.request("POST", "/999/s/xhr").contains("a[\"x\",\"\\\"y\\\"\"]\n\r\n0\r\n\r\n"))
    }

    @Test("A request that is open is answered as soon as there is something, and the written are told then only")
    func longPoll() throws {
        let (connection, written) = (try test.connect(), Flag())
        try connection.request("POST", "/0/s/xhr")
        test.applications[0].send("x") { written.set() }
        #expect(!written.isSet && test.applications[0].transport.waitingBytes > 0)
        connection.stall()
        try connection.request("POST", "/0/s/xhr")
        #expect(!written.isSet)
        connection.drain()
        #expect(written.isSet && test.applications[0].transport.waitingBytes == 0)
        #expect(try connection.read().contains("a[\"x\"]\n"))
        #expect(try connection.request("POST", "/0/s/xhr").hasSuffix("\r\n\r\n"))
        test.applications[0].send("y")
        #expect(try connection.read() == "7\r\na[\"y\"]\n\r\n0\r\n\r\n")
    }

    @Test("What was written and did not leave was not written, and ends the session") func lostAnswer() throws {
        let (connection, written) = (try test.connect(), Flag())
        try connection.request("POST", "/0/s/xhr")
        test.applications[0].send("x") { written.set() }
        connection.stall()
        try connection.request("POST", "/0/s/xhr")
        connection.drop()
        test.loop.run()
        #expect(!written.isSet && test.applications[0].ends == [.connectionLost])
        #expect(try test.connect().request("POST", "/0/s/xhr").contains(#"c[1002,"Connection interrupted"]"#))
    }

    @Test("A client that does not come back is given up, and its id is free") func disconnectDelay() throws {
        let connection = try test.connect()
        try connection.request("POST", "/0/s/xhr")
        test.pass(.milliseconds(4_900))
        #expect(test.applications[0].ends.isEmpty)
        try connection.request("POST", "/0/s/xhr")
        test.applications[0].send("x")
        _ = try connection.read()
        test.pass(.milliseconds(4_900))
        #expect(test.applications[0].ends.isEmpty)
        test.pass(.milliseconds(200))
        #expect(test.applications[0].ends == [.connectionLost] && test.applications[0].isClosed)
        #expect(test.service.directory.count == 0)
        #expect(try connection.request("POST", "/0/s/xhr_send", body: "[\"a\"]").hasPrefix("HTTP/1.1 404 "))
    }

    @Test("A request that waits gets a heart-beat in time; a session with one is kept") func heartBeat() throws {
        let connection = try test.connect()
        try connection.request("POST", "/0/s/xhr")
        try connection.request("POST", "/0/s/xhr")
        test.pass(.milliseconds(24_900))
        #expect(try connection.read() == "")
        test.pass(.milliseconds(200))
        #expect(try connection.read() == "2\r\nh\n\r\n0\r\n\r\n")
        #expect(test.applications[0].ends.isEmpty)
    }

    @Test("A second open request is refused and the first goes on; one that breaks off ends the session")
    func second() throws {
        let (first, other) = (try test.connect(), try test.connect())
        try first.request("POST", "/0/s/xhr")
        try first.request("POST", "/0/s/xhr")
        #expect(try other.request("POST", "/0/s/xhr").contains(#"c[2010,"Another connection still open"]"#))
        test.applications[0].send("x")
        #expect(try first.read().contains("a[\"x\"]"))
        try first.request("POST", "/0/s/xhr")
        first.drop()
        #expect(test.applications[0].ends == [.connectionLost])
        #expect(try other.request("POST", "/0/s/xhr").contains("c[1002,"))
        test.pass(.seconds(6))
        #expect(test.service.directory.count == 0 && test.applications[0].isClosed)
    }

    @Test("What was said before the end is told first, then the end, as often as it is asked") func farewell() throws {
        let connection = try test.connect()
        try connection.request("POST", "/0/s/xhr")
        test.applications[0].send("last words")
        test.applications[0].transport.close(.tokenExpired)
        #expect(try connection.request("POST", "/0/s/xhr").contains("a[\"last words\"]"))
        for _ in 0..<2 { #expect(try connection.request("POST", "/0/s/xhr").contains("c[4002,")) }
        #expect(try connection.request("POST", "/0/s/xhr_send", body: "[\"a\"]").hasPrefix("HTTP/1.1 404 "))
        test.pass(.seconds(6))
        #expect(test.service.directory.count == 0 && test.applications[0].isClosed)
    }

    @Test("A node that stops tells whoever comes back in time, and waits no longer for others") func shutdown() throws {
        let connection = try test.connect()
        for session in ["s", "t"] {
            try connection.request("POST", "/0/\(session)/xhr")
            test.applications.last?.transport.close(.shuttingDown)
        }
        #expect(try connection.request("POST", "/0/s/xhr").contains("c[1012,"))
        test.pass(.seconds(6))
        #expect(test.applications.allSatisfy(\.isClosed) && test.service.directory.count == 0)
    }

    @Test("It waits for nobody who was told at once") func shutdownWithAnOpenRequest() throws {
        let connection = try test.connect()
        try connection.request("POST", "/0/s/xhr")
        try connection.request("POST", "/0/s/xhr")
        test.applications[0].transport.close(.shuttingDown)
        #expect(try connection.read().contains("c[1012,"))
        #expect(test.applications[0].isClosed && test.service.directory.count == 0)
    }

    @Test("Scripts of pages poll, and send by forms") func jsonp() throws {
        let connection = try test.connect()
        #expect(try connection.request("GET", "/0/s/jsonp?c=f").contains("\r\nf(\"o\");\r\n\r\n0\r\n"))
        let form = ["Content-Type: application/x-www-form-urlencoded"]
        let answer = try connection.request("POST", "/0/s/jsonp_send", body: "d=%5B%22x%22%5D", headers: form)
        #expect(answer.hasPrefix("HTTP/1.1 200 ") && answer.hasSuffix("\r\n\r\nok"))
        #expect(test.applications[0].messages == ["x"])
        test.applications[0].send("</script>")
        #expect(try connection.request("GET", "/0/s/jsonp?c=f").contains(#"f("a[\"\u003c/script>\"]");"#))
        #expect(try connection.request("GET", "/0/t/jsonp?c=f%28").contains("invalid \"callback\""))
        #expect(test.applications.count == 1)
    }
}

/// Set by a callback.
final class Flag: @unchecked Sendable {
    private(set) var isSet = false
    func set() { isSet = true }
}
