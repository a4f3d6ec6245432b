import BelfryModel
import NIOCore
import NIOWebSocket
import Testing

@testable import WebSocket

/// Every state × every opcode, and what RFC 6455 says of fragments, control frames and closing.
@Suite("WebSocketMachine")
struct WebSocketMachineTests {
    /// A machine that `#expect` can take apart.
    private final class Machine {
        private var machine = WebSocketMachine(messageBytesMax: 200)
        var isOpen: Bool { machine.isOpen }
        func closeSent() -> Bool { machine.closeSent() }
        func transportClosed() { machine.transportClosed() }

        func receive(
            _ opcode: WebSocketOpcode, _ bytes: [UInt8] = [], fin: Bool = true, rsv1: Bool = false, rsv2: Bool = false,
            rsv3: Bool = false, isMasked: Bool = true
        ) -> WebSocketEvent? {
            let bits = [(fin, 0x80), (rsv1, 0x40), (rsv2, 0x20), (rsv3, 0x10)] as [(Bool, UInt8)]
            let firstByte = bits.reduce(UInt8(webSocketOpcode: opcode)) { $1.0 ? $0 | $1.1 : $0 }
            let action = machine.frameReceived(
                ClientFramePart(
                    firstByte: firstByte, isMasked: isMasked, isFirst: true, isLast: true,
                    payload: ByteBuffer(bytes: bytes)))
            guard case .event(let event) = action else { return nil }
            return event
        }

        func receive(
            _ opcode: WebSocketOpcode, _ text: String, fin: Bool = true
        ) -> WebSocketEvent? {
            receive(opcode, Array(text.utf8), fin: fin)
        }
    }

    enum State: CaseIterable { case idle, inText, inBinary, closing, closed }

    private static func machine(_ state: State) -> Machine {
        let machine = Machine()
        switch state {
        case .idle: break
        case .inText: _ = machine.receive(.text, "a", fin: false)
        case .inBinary: _ = machine.receive(.binary, [1], fin: false)
        case .closing: _ = machine.closeSent()
        case .closed: machine.transportClosed()
        }
        return machine
    }

    private static func deliver(_ text: String, isText: Bool = true, isLast: Bool = true) -> WebSocketEvent {
        deliver(Array(text.utf8), isText: isText, isLast: isLast)
    }

    private static func deliver(_ bytes: [UInt8], isText: Bool, isLast: Bool = true) -> WebSocketEvent {
        .deliver(WebSocketMessagePart(bytes: ByteBuffer(bytes: bytes), isText: isText, isLast: isLast))
    }

    private static let all = State.allCases
    private static let opcodes = (UInt8(0)...15).compactMap { WebSocketOpcode(encodedWebSocketOpcode: $0) }

    @Test("What each opcode means in each state", arguments: all, opcodes)
    func opcode(_ state: State, _ opcode: WebSocketOpcode) {
        let machine = Self.machine(state)
        let action = machine.receive(opcode, "ok")
        switch (state, opcode) {
        case (.closed, _):
            #expect(action == WebSocketEvent.none)
        case (.closing, .connectionClose):
            #expect(action == .closeTransport)
        case (.closing, _):
            #expect(action == WebSocketEvent.none)
        case (_, .ping):
            #expect(action == .pong(ByteBuffer(string: "ok")))
        case (_, .pong):
            #expect(action == WebSocketEvent.none)
        case (_, .connectionClose):
            // "ok" is the code 28523.
            #expect(action == .fail(.protocolViolation))
        case (.idle, .text), (.idle, .binary), (.inText, .continuation), (.inBinary, .continuation):
            #expect(action == Self.deliver("ok", isText: state == .inText || opcode == .text))
        case (.idle, _), (.inText, _), (.inBinary, _):
            #expect(action == .fail(.protocolViolation))
        }
    }

    @Test("Reserved bits and unmasked frames are violations", arguments: [State.idle, .inText, .inBinary])
    func reserved(_ state: State) {
        for opcode in [WebSocketOpcode.text, .binary, .continuation, .ping, .pong, .connectionClose] {
            #expect(Self.machine(state).receive(opcode, [], rsv1: true) == .fail(.protocolViolation))
            #expect(Self.machine(state).receive(opcode, [], rsv2: true) == .fail(.protocolViolation))
            #expect(Self.machine(state).receive(opcode, [], rsv3: true) == .fail(.protocolViolation))
            #expect(Self.machine(state).receive(opcode, [], isMasked: false) == .fail(.protocolViolation))
        }
    }

    // MARK: Fragments

    @Test("Fragments of a text are one message, with control frames in between")
    func fragments() {
        let machine = Machine()
        #expect(machine.receive(.text, "one", fin: false) == Self.deliver("one", isLast: false))
        #expect(machine.receive(.ping, "p") == .pong(ByteBuffer(string: "p")))
        #expect(machine.receive(.continuation, "two", fin: false) == Self.deliver("two", isLast: false))
        #expect(machine.receive(.pong) == WebSocketEvent.none)
        #expect(machine.receive(.continuation, "three") == Self.deliver("three"))
        #expect(machine.receive(.continuation, "four") == .fail(.protocolViolation))
    }

    @Test("After the last fragment another message may begin", arguments: [WebSocketOpcode.text, .binary])
    func nextMessage(_ opcode: WebSocketOpcode) {
        let machine = Machine()
        _ = machine.receive(opcode, "a", fin: false)
        _ = machine.receive(.continuation, "b")
        #expect(machine.receive(.text, "c") == Self.deliver("c"))
        #expect(machine.receive(.binary, [0xFF]) == Self.deliver([0xFF], isText: false))
    }

    @Test("Empty frames bring no bytes, and end what they end")
    func empty() {
        let machine = Machine()
        #expect(machine.receive(.text) == Self.deliver(""))
        #expect(machine.receive(.binary) == Self.deliver("", isText: false))
        #expect(machine.receive(.text, [], fin: false) == WebSocketEvent.none)
        #expect(machine.receive(.continuation, [], fin: false) == WebSocketEvent.none)
        #expect(machine.receive(.continuation) == Self.deliver(""))
        #expect(machine.receive(.continuation) == .fail(.protocolViolation))
    }

    @Test("A character may be cut by a fragment's end, but not by the message's")
    func cutCharacter() {
        let euro = Array("€".utf8)
        let machine = Machine()
        #expect(
            machine.receive(.text, Array(euro[..<1]), fin: false)
                == Self.deliver(Array(euro[..<1]), isText: true, isLast: false))
        #expect(machine.receive(.ping) == .pong(ByteBuffer()))
        #expect(machine.receive(.continuation, Array(euro[1...])) == Self.deliver(Array(euro[1...]), isText: true))
        #expect(machine.receive(.text, Array(euro[..<2])) == .fail(.invalidUTF8))
    }

    @Test("The next message does not pay for the last one's cut character")
    func cutThenNext() {
        let machine = Machine()
        _ = machine.receive(.text, [0xE2], fin: false)
        #expect(machine.receive(.continuation, []) == .fail(.invalidUTF8))
    }

    @Test("Text that is not UTF-8 is refused at once; binary is not looked at")
    func invalidText() {
        #expect(Machine().receive(.text, [0xFF], fin: false) == .fail(.invalidUTF8))
        #expect(Machine().receive(.text, [0xED, 0xA0, 0x80]) == .fail(.invalidUTF8))
        #expect(Machine().receive(.binary, [0xFF]) == Self.deliver([0xFF], isText: false))
    }

    // MARK: Size

    @Test("A message may be as long as the bound, and no longer, however it is cut", arguments: [1, 7, 100, 200])
    func bound(_ fragmentBytes: Int) {
        for messageBytes in [199, 200, 201] {
            let machine = Machine()
            for round in 1...2 {
                var rest = messageBytes
                var action: WebSocketEvent? = WebSocketEvent.none
                while rest > 0 {
                    let count = min(rest, fragmentBytes)
                    let opcode: WebSocketOpcode = rest == messageBytes ? .binary : .continuation
                    rest -= count
                    action = machine.receive(opcode, [UInt8](repeating: 0, count: count), fin: rest == 0)
                    if messageBytes <= 200 || rest > 0 { #expect(action != .fail(.frameTooLarge)) }
                }
                // The second message has a bound of its own.
                if messageBytes > 200 || round == 2 {
                    #expect((action == .fail(.frameTooLarge)) == (messageBytes > 200))
                    break
                }
            }
        }
    }

    // MARK: Control frames

    @Test(
        "A control frame has at most 125 bytes and no fragments",
        arguments: [WebSocketOpcode.ping, .pong, .connectionClose])
    func controlFrames(_ opcode: WebSocketOpcode) {
        #expect(Machine().receive(opcode, [UInt8](repeating: 3, count: 126)) == .fail(.protocolViolation))
        #expect(Machine().receive(opcode, [0x03, 0xE8], fin: false) == .fail(.protocolViolation))
        let longest = [0x03, 0xE8] + [UInt8](repeating: 0x61, count: 123)
        #expect(Machine().receive(opcode, longest) != .fail(.protocolViolation))
    }

    // MARK: Closing

    private static func close(_ code: UInt16, _ reason: [UInt8] = []) -> [UInt8] {
        [UInt8(code >> 8), UInt8(code & 0xFF)] + reason
    }

    @Test(
        "A Close is answered with its code",
        arguments: [1000, 1001, 1002, 1003, 1007, 1011, 1012, 1014, 3000, 3999, 4000, 4999] as [UInt16])
    func peerCloses(_ code: UInt16) {
        let machine = Machine()
        #expect(machine.receive(.connectionClose, Self.close(code, Array("bye".utf8))) == .answerClose(code: code))
        #expect(!machine.isOpen)
        #expect(machine.receive(.text, "late") == WebSocketEvent.none)
        #expect(!machine.closeSent())
    }

    @Test("A Close without a body is answered without one")
    func emptyClose() {
        #expect(Machine().receive(.connectionClose) == .answerClose(code: nil))
    }

    @Test(
        "Codes that no endpoint may send",
        arguments: [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1999, 2000, 2999, 5000, 65_535] as [UInt16])
    func forbiddenCodes(_ code: UInt16) {
        #expect(Machine().receive(.connectionClose, Self.close(code)) == .fail(.protocolViolation))
    }

    @Test("A Close of one byte, or whose reason is not UTF-8, is a violation")
    func malformedClose() {
        #expect(Machine().receive(.connectionClose, [0x03]) == .fail(.protocolViolation))
        #expect(Machine().receive(.connectionClose, Self.close(1000, [0xFF])) == .fail(.invalidUTF8))
        #expect(Machine().receive(.connectionClose, Self.close(1000, [0xE2, 0x82])) == .fail(.invalidUTF8))
    }

    @Test("Our Close goes out once, and the peer's answer ends the transport", arguments: all)
    func weClose(_ state: State) {
        let machine = Self.machine(state)
        let isOpen = state != .closing && state != .closed
        #expect(machine.isOpen == isOpen)
        #expect(machine.closeSent() == isOpen)
        #expect(!machine.closeSent())
        #expect(!machine.isOpen)
        #expect(machine.receive(.text, "late") == WebSocketEvent.none)
        #expect(machine.receive(.continuation, "late") == WebSocketEvent.none)
        #expect(machine.receive(.connectionClose) == (state == .closed ? WebSocketEvent.none : .closeTransport))
        #expect(machine.receive(.connectionClose) == WebSocketEvent.none)
    }

    @Test("Once the transport has ended nothing matters", arguments: all)
    func transportClosed(_ state: State) {
        let machine = Self.machine(state)
        machine.transportClosed()
        #expect(!machine.isOpen)
        #expect(!machine.closeSent())
        for opcode in Self.opcodes { #expect(machine.receive(opcode, "x") == WebSocketEvent.none) }
    }
}
