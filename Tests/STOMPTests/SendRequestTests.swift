import NIOCore
import STOMP
import Testing

@Suite struct SendRequestTests {
    /// One that is kept, as a transaction does, must not keep the whole read that it came with.
    @Test func itsBodyKeepsNoMoreThanItsBytes() throws {
        var machine = SessionFramesTests.connected()
        var bytes = ByteBuffer(string: String(repeating: "\n", count: 60_000) + "SEND\ndestination:/topic/a\n\n1\0")
        var decoder = FrameDecoder()
        decoder.feed(&bytes)
        while let event = try decoder.next() {
            guard case .frame(let frame) = event else { continue }
            guard case .send(let request) = machine.frameReceived(frame) else { break }
            #expect(String(buffer: request.body) == "1")
            #expect(request.body.storageCapacity < 2_048)
            return
        }
        Issue.record("no SEND")
    }
}
