import BelfryModel
import Bus
import NIOCore
import Testing

@testable import RedisBus

struct RESPCommandTests {
    @Test func wordsAreCounted() throws {
        var buffer = ByteBuffer()
        try RESPCommand.append(["AUTH", "", "ż\r\n"], to: &buffer)
        #expect(String(buffer: buffer) == "*3\r\n$4\r\nAUTH\r\n$0\r\n\r\n$4\r\nż\r\n\r\n")
    }

    @Test func manyChannelsAreOneCommand() throws {
        var buffer = ByteBuffer()
        let addresses: [Address] = [.user("a"), .topic("bc")]
        try RESPCommand.append("SUBSCRIBE", channelsOf: addresses, names: ChannelNames(prefix: "p:"), to: &buffer)
        #expect(String(buffer: buffer) == "*3\r\n$9\r\nSUBSCRIBE\r\n$5\r\np:u:a\r\n$6\r\np:t:bc\r\n")
    }

    @Test func publishHoldsAnyBytesAndIsAppended() throws {
        var buffer = ByteBuffer(string: "before ")
        try RESPCommand.appendPublish(channel: Array("c".utf8), payload: ByteBuffer(bytes: [0, 255]), to: &buffer)
        try RESPCommand.appendPublish(channel: Array("c".utf8), payload: ByteBuffer(), to: &buffer)
        let expected =
            Array("before *3\r\n$7\r\nPUBLISH\r\n$1\r\nc\r\n$2\r\n".utf8) + [0, 255]
            + Array("\r\n*3\r\n$7\r\nPUBLISH\r\n$1\r\nc\r\n$0\r\n\r\n".utf8)
        #expect(Array(buffer.readableBytesView) == expected)
    }
}
