import BelfryModel
import NIOCore
import Testing

@testable import SockJS

/// Requests by which clients send.
@Suite("Sending")
struct SendingTests {
    private let test = TestService { $0.bodyBytesMax = 1_000 }

    private func open(_ headers: [String] = []) throws -> TestConnection {
        let connection = try test.connect()
        try connection.request("POST", "/0/s/xhr", headers: headers)
        return connection
    }

    @Test("What is no array of strings is refused as a whole, and the session goes on") func broken() throws {
        let connection = try open()
        let broken = try connection.request("POST", "/0/s/xhr_send", body: #"["a","b"#)
        #expect(broken.hasPrefix("HTTP/1.1 500 ") && broken.hasSuffix("Broken JSON encoding."))
        #expect(try connection.request("POST", "/0/s/xhr_send").hasSuffix("Payload expected."))
        #expect(test.applications[0].messages == [])
        #expect(try connection.request("POST", "/0/s/xhr_send", body: "[\"c\"]").hasPrefix("HTTP/1.1 204 "))
        #expect(test.applications[0].messages == ["c"])
    }

    @Test("Too large a body is refused before it is there, whether its length was told or not") func tooLarge() throws {
        let connection = try open()
        try connection.send("POST /stomp-ws/0/s/xhr_send HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n")
        #expect(try connection.read().hasPrefix("HTTP/1.1 413 "))
        let other = try test.connect()
        try other.send("POST /stomp-ws/0/s/xhr_send HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in 0..<10 { try other.send("64\r\n\(String(repeating: "x", count: 100))\r\n") }
        #expect(try other.read() == "")
        try other.send("1\r\nx\r\n")
        #expect(try other.read().hasPrefix("HTTP/1.1 413 "))
        #expect(test.applications[0].ends.isEmpty)
    }

    @Test("For a session that is not there nothing is kept: the answer comes before the body") func unknown() throws {
        let connection = try test.connect()
        try connection.send("POST /stomp-ws/0/none/xhr_send HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n")
        #expect(try connection.read().hasPrefix("HTTP/1.1 404 "))
        #expect(test.service.directory.count == 0)
    }

    @Test("While the application takes a pause, requests wait for their answers, in order, and only so many")
    func pause() throws {
        let connection = try open()
        let application = test.applications[0]
        application.messagesBeforePause = 2
        #expect(try connection.request("POST", "/0/s/xhr_send", body: #"["1","2","3"]"#) == "")
        #expect(application.messages == ["1", "2"])
        let others = try (1..<SendQueue.sendsMax).map { _ in try test.connect() }
        for other in others { #expect(try other.request("POST", "/0/s/xhr_send", body: #"["4"]"#) == "") }
        #expect(try test.connect().request("POST", "/0/s/xhr_send", body: #"["no"]"#).hasPrefix("HTTP/1.1 503 "))
        application.transport.setReading(true)
        #expect(application.messages == ["1", "2", "3"] + others.map { _ in "4" })
        for each in [connection] + others { #expect(try each.read().hasPrefix("HTTP/1.1 204 ")) }
    }

    @Test("What waits when the session ends was not taken, and is told so") func endInPause() throws {
        let connection = try open()
        test.applications[0].messagesBeforePause = 1
        #expect(try connection.request("POST", "/0/s/xhr_send", body: #"["1","2"]"#) == "")
        test.pass(.seconds(6))
        #expect(try connection.read().hasPrefix("HTTP/1.1 404 "))
        #expect(test.applications[0].messages == ["1"])
    }

    @Test(
        "Who found an id but is not of the session can neither send nor listen",
        arguments: [
            ["Origin: https://b.example", "User-Agent: u"], ["Origin: https://a.example", "User-Agent: v"],
            ["Origin: https://a.example"],
        ])
    func foreign(_ headers: [String]) throws {
        _ = try open(["Origin: https://a.example", "User-Agent: u"])
        let other = try test.connect()
        #expect(try other.request("POST", "/0/s/xhr", headers: headers).hasPrefix("HTTP/1.1 404 "))
        #expect(
            try other.request("POST", "/0/s/xhr_send", body: "[\"a\"]", headers: headers).hasPrefix("HTTP/1.1 404 "))
        #expect(test.applications.count == 1 && test.applications[0].messages == [])
        // A GET from a page of our own origin tells none.
        let same = try test.connect()
        #expect(try same.request("GET", "/0/s/eventsource", headers: ["User-Agent: u"]).hasPrefix("HTTP/1.1 200 "))
    }

    @Test("Where there is a cookie, a session is for requests with it") func cookie() throws {
        let test = TestService { $0.usesCookie = true }
        let connection = try test.connect()
        let answer = try connection.request("POST", "/0/s/xhr")
        #expect(answer.contains("Set-Cookie: JSESSIONID=made; path=/\r\n"))
        let other = try connection.request("POST", "/0/s/xhr_send", body: "[\"a\"]", headers: ["Cookie: JSESSIONID=x"])
        #expect(other.hasPrefix("HTTP/1.1 404 "))
        let own = ["Cookie: a=b; JSESSIONID=made"]
        #expect(
            try test.connect().request("POST", "/0/s/xhr_send", body: "[\"a\"]", headers: own).hasPrefix(
                "HTTP/1.1 204 "))
        #expect(test.applications[0].messages == ["a"])
    }

    @Test("Sessions that are begun and left take only a part of the places; the known have the others") func room()
        throws
    {
        let test = TestService(sessionsMax: 16)
        for number in 0..<2 { try test.connect().request("POST", "/0/\(number)/xhr") }
        #expect(try test.connect().request("POST", "/0/2/xhr").hasPrefix("HTTP/1.1 503 "))
        test.applications[0].isStranger = false
        try test.connect().request("POST", "/0/0/xhr_send", body: "[\"a\"]")
        #expect(try test.connect().request("POST", "/0/2/xhr").hasPrefix("HTTP/1.1 200 "))
        test.pass(.seconds(6))
        #expect(test.service.directory.count == 0)
        for number in 0..<2 {
            #expect(try test.connect().request("POST", "/0/\(number)/xhr").hasPrefix("HTTP/1.1 200 "))
        }
    }
}
