import BelfryModel
import Bus
import NIOCore
import Testing

struct ChannelNamesTests {
    @Test func usersAndTopicsHaveChannelsOfTheirOwn() {
        let names = ChannelNames()
        #expect(String(decoding: names.bytes(of: .user("alice")), as: UTF8.self) == "belfry:u:alice")
        #expect(String(decoding: names.bytes(of: .topic("news")), as: UTF8.self) == "belfry:t:news")
    }

    @Test(arguments: ["", "belfry:", "prod/", "ż:"], ["alice", "", "u:x", "a b\r\n", "🐢", "\u{e9}", "e\u{301}"])
    func aNameIsReadBack(prefix: String, text: String) {
        let names = ChannelNames(prefix: prefix)
        for address in [Address.user(text), .topic(text)] {
            #expect(names.address(of: ByteBuffer(bytes: names.bytes(of: address))) == address)
        }
    }

    @Test(arguments: ["", "belfry", "belfry:", "belfry:u", "belfry:x:alice", "other:u:alice", "Belfry:u:alice"])
    func anotherNameIsNoAddress(text: String) {
        #expect(ChannelNames().address(of: ByteBuffer(string: text)) == nil)
    }

    @Test func bytesThatAreNotUTF8AreNoAddress() {
        let bytes = Array("belfry:u:".utf8) + [0xff]
        #expect(ChannelNames().address(of: ByteBuffer(bytes: bytes)) == nil)
    }
}
