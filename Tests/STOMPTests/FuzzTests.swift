import BelfryModel
import NIOCore
import STOMP
import TestBasics
import Testing

/// Bytes that no client would send: nothing of them may trap, and how they are split must make no difference.
@Suite struct FuzzTests {
    static let seeds: [[UInt8]] = [
        "CONNECT\naccept-version:1.1,1.2\nhost:x\nheart-beat:100,200\nAuthorization:Bearer a.b.c\n\n\0\n",
        "STOMP\r\naccept-version:1.2\r\n\r\n\0",
        "SUBSCRIBE\nid:0\ndestination:/user/queue/msg\nack:client-individual\nreceipt:1\n\n\0",
        "SUBSCRIBE\nid:1\ndestination:/topic/a\\cb\nlast-message-id:77\n\n\0UNSUBSCRIBE\nid:1\n\n\0",
        "ACK\nid:1-5\nreceipt:a\n\n\0NACK\nid:1-6\n\n\0\n\n",
        "SEND\ndestination:/a\ncontent-length:6\n\nab\0cd\n\0",
        "SEND\ndestination:/a\n\n{\"a\":1}\0DISCONNECT\nreceipt:77\n\n\0",
        "BEGIN\ntransaction:t\n\n\0COMMIT\ntransaction:t\n\n\0",
    ].map { Array($0.utf8) }

    static let telling: [UInt8] = Array("\0\n\r:\\-,0919ncr/".utf8) + [0x7f, 0x80, 0xc3, 0xe2, 0xf0, 0xff]

    static func input(using random: inout SeededGenerator) -> [UInt8] {
        if Int.random(in: 0..<8, using: &random) == 0 {
            return (0..<Int.random(in: 0...40, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
        }
        var bytes = seeds[Int.random(in: 0..<seeds.count, using: &random)]
        for _ in 0..<Int.random(in: 0...4, using: &random) {
            let place = Int.random(in: 0..<max(bytes.count, 1), using: &random)
            let byte = telling[Int.random(in: 0..<telling.count, using: &random)]
            switch Int.random(in: 0..<5, using: &random) {
            case 0 where !bytes.isEmpty: bytes[place] = byte
            case 1 where !bytes.isEmpty: bytes.remove(at: place)
            case 2: bytes.insert(byte, at: min(place, bytes.count))
            case 3: bytes.removeSubrange(place...)
            case 4: bytes.insert(contentsOf: bytes[..<place].suffix(12), at: place)
            default: break
            }
        }
        return bytes
    }

    /// Up to 150,000 inputs of each generator, for at most four seconds (a debug build plays some 50,000 in them).
    @Test(arguments: [UInt64(11), 12]) func decoderAndMachine(_ seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var limits = Limits()
        limits.headerLineBytesMax = 60
        limits.headersMax = 6
        limits.bodyBytesMax = 12
        let end = ContinuousClock.now + .seconds(4)
        var count = 0
        while count < 150_000, ContinuousClock.now < end {
            let bytes = Self.input(using: &random)
            let version = ProtocolVersion.allCases[Int.random(in: 0..<3, using: &random)]
            let whole = decode([bytes], version: version, limits: limits)
            let cut = Int.random(in: 0...bytes.count, using: &random)
            let parts = decode([bytes[..<cut], bytes[cut...]], version: version, limits: limits)
            if whole != parts { Issue.record("split at \(cut) matters: \(bytes)") }
            Self.play(whole, connected: Bool.random(using: &random))
            count += 1
        }
        #expect(count > 1_000)
    }

    /// Gives everything to a machine, and decodes again what it answers.
    static func play(_ decoded: Decoded, connected: Bool) {
        var machine = SessionMachine(session: "s", server: "belfry/test")
        if connected {
            machine.connect(as: "alice")
        }
        for frame in decoded.frames {
            switch machine.frameReceived(frame) {
            case .fail(let answer, _), .reply(let answer), .disconnect(let answer?):
                if decode([Array(encoded(answer).utf8)]).error != nil { Issue.record("bad answer to \(frame)") }
            case .authenticate(let request):
                _ = request.bearerToken
                _ = machine.authenticated(user: "bob", for: request)
            case .none, .open, .subscribe, .unsubscribe, .send, .acknowledge, .refuse, .commit, .disconnect(nil):
                break
            }
        }
        if let error = decoded.error { _ = machine.decodingFailed(error) }
    }
}
