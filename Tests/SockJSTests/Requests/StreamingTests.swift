import BelfryModel
import HTTPServer
import NIOCore
import Testing

@testable import SockJS

/// Sessions whose client is answered by a response that goes on.
@Suite("Streaming")
struct StreamingTests {
    private let test = TestService { $0.responseBytesMax = 1_000 }

    @Test(
        "Each form opens in its own way and gives each frame as a piece of its own",
        arguments: [
            ("POST", "xhr_streaming", "2\r\no\n\r\n", "7\r\na[\"x\"]\n\r\n"),
            ("GET", "eventsource", "b\r\ndata: o\r\n\r\n\r\n", "10\r\ndata: a[\"x\"]\r\n\r\n\r\n"),
            (
                "GET", "htmlfile?c=f", "1c\r\n<script>\np(\"o\");\n</script>\r\n\r\n",
                "23\r\n<script>\np(\"a[\\\"x\\\"]\");\n</script>\r\n\r\n"
            ),
        ])
    func forms(_ method: String, _ path: String, _ opening: String, _ frame: String) throws {
        let connection = try test.connect()
        #expect(try connection.request(method, "/0/s/\(path)").hasSuffix(opening))
        test.applications[0].send("x")
        #expect(try connection.read() == frame)
        test.applications[0].send("x")
        #expect(try connection.read() == frame)
    }

    @Test("After enough of it the response ends, and the next request of the connection goes on") func limit() throws {
        let connection = try test.connect()
        try connection.request("POST", "/0/s/xhr_streaming")
        test.applications[0].send(String(repeating: "x", count: 980))
        #expect(!(try connection.read().hasSuffix("\r\n0\r\n\r\n")))
        test.applications[0].send(String(repeating: "y", count: 20))
        #expect(try connection.read().hasSuffix("\r\n0\r\n\r\n"))
        test.applications[0].send("between")
        test.pass(.seconds(4))
        #expect(try connection.request("POST", "/0/s/xhr_streaming").hasSuffix("d\r\na[\"between\"]\n\r\n"))
        #expect(test.applications.count == 1)
    }

    @Test("A client on a slow line has its time to come back once it has what it was sent, and that has a bound")
    func slowLine() throws {
        let (connection, other) = (try test.connect(), try test.connect())
        for (peer, id) in [(connection, "a"), (other, "b")] {
            try peer.request("POST", "/0/\(id)/xhr_streaming")
            peer.stall()
        }
        for application in test.applications { application.send(String(repeating: "x", count: 1_000)) }
        test.pass(.seconds(20))
        #expect(test.applications.map(\.ends) == [[], []])
        connection.drain()
        test.pass(.seconds(11))
        #expect(test.applications[0].ends == [.connectionLost] && test.applications[1].ends.isEmpty)
        test.pass(.seconds(30))
        #expect(test.applications[1].ends == [.connectionLost] && !other.channel.isActive)
    }

    @Test("Heart-beats come when nothing else does") func heartBeats() throws {
        let connection = try test.connect()
        try connection.request("POST", "/0/s/xhr_streaming")
        test.pass(.seconds(20))
        test.applications[0].send("x")
        _ = try connection.read()
        test.pass(.seconds(20))
        #expect(try connection.read() == "")
        test.pass(.seconds(6))
        #expect(try connection.read() == "2\r\nh\n\r\n")
        test.pass(.seconds(50))
        #expect(try connection.read() == "2\r\nh\n\r\n2\r\nh\n\r\n")
    }

    @Test("What the peer does not read is counted, and it is told when it reads again") func backPressure() throws {
        let test = TestService()
        let peer = try test.connect()
        try peer.request("POST", "/0/s/xhr_streaming")
        let application = test.applications[0]
        peer.stall()
        application.send(String(repeating: "x", count: 40_000))
        #expect(application.transport.waitingBytes >= 40_000 && application.transport.isWritable)
        application.send(String(repeating: "x", count: 40_000))
        #expect(application.transport.waitingBytes >= 80_000 && !application.transport.isWritable)
        #expect(application.writableCount == 0)
        peer.drain()
        #expect(application.transport.waitingBytes == 0 && application.transport.isWritable)
        #expect(application.writableCount == 1)
    }

    @Test("A peer that does not take the end is waited for as long as one of a WebSocket") func untakenEnd() throws {
        let connection = try test.connect()
        try connection.request("POST", "/0/s/xhr_streaming")
        connection.stall()
        test.applications[0].transport.close(.slowConsumer)
        test.pass(.milliseconds(4_900))
        #expect(connection.channel.isActive)
        test.pass(.milliseconds(200))
        #expect(!connection.channel.isActive)
        #expect(test.applications[0].isClosed && test.service.directory.count == 0)
    }

    @Test("The end is written behind what was said before, and ends the response") func end() throws {
        let connection = try test.connect()
        try connection.request("POST", "/0/s/xhr_streaming")
        test.applications[0].transport.append(byteCount: 1, isUTF8: true) { $0.writeString("x") }
        test.applications[0].transport.close(.slowConsumer)
        let text = try connection.read()
        #expect(text.hasPrefix("7\r\na[\"x\"]\n\r\n") && text.contains("c[4008,") && text.hasSuffix("0\r\n\r\n"))
        test.applications[0].send("too late")
        #expect(try connection.request("POST", "/0/s/xhr_streaming").contains("c[4008,"))
    }

    @Test("A peer that has closed its side hears no more", arguments: [true, false])
    func lost(_ isHalf: Bool) throws {
        let connection = try test.connect()
        try connection.request("POST", "/0/s/xhr_streaming")
        if isHalf {
            connection.channel.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
        } else {
            connection.drop()
        }
        #expect(test.applications[0].ends == [.connectionLost])
        #expect(!connection.channel.isActive)
        test.pass(.seconds(6))
        #expect(test.applications[0].isClosed && test.service.directory.count == 0)
    }

    @Test("A node that stops tells the client so") func quiescing() throws {
        let connection = try test.connect()
        try connection.request("POST", "/0/s/xhr_streaming")
        connection.channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
        #expect(try connection.read().contains("c[1012,"))
        #expect(test.applications[0].failures == [.shuttingDown])
    }

    @Test("Who is behind can't close a connection that has a response under way") func closing() throws {
        let connection = try test.connect()
        try connection.request("POST", "/0/s/xhr_streaming")
        connection.channel.close(promise: nil)
        #expect(connection.channel.isActive)
        test.applications[0].transport.close(.shuttingDown)
        connection.channel.close(promise: nil)
        #expect(!connection.channel.isActive)
    }

    @Test("Text that is no UTF-8 does not break what is") func notUTF8() throws {
        let connection = try test.connect()
        try connection.request("POST", "/0/s/xhr_streaming")
        test.applications[0].transport.append(byteCount: 3, isUTF8: false) { $0.writeBytes([0x61, 0xFF, 0x62]) }
        test.applications[0].transport.flush(written: nil)
        #expect(try connection.read().contains("a[\"a\\ufffdb\"]"))
    }

    @Test("In HTTP/1.0 a response goes to the end of the connection") func oldHTTP() throws {
        let connection = try test.connect()
        let answer = try connection.request("POST", "/0/s/xhr_streaming", version: "1.0")
        #expect(!answer.lowercased().contains("transfer-encoding") && answer.hasSuffix("h\no\n"))
    }
}
