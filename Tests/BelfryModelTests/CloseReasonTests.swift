import BelfryModel
import Testing

@Suite("CloseReason")
struct CloseReasonTests {
    /// RFC 6455, section 7.4.1 and the registry it founds: what an endpoint may put into a Close frame.
    private static let registered: Set<UInt16> = [
        1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014,
    ]

    @Test("Every code may stand in a Close frame", arguments: CloseReason.allCases)
    func code(_ reason: CloseReason) {
        let code = reason.webSocketCode
        #expect(Self.registered.contains(code) || (4000...4999).contains(code))
    }

    @Test("Each private code means one reason")
    func privateCodes() {
        let codes = CloseReason.allCases.map(\.webSocketCode).filter { $0 >= 4000 }
        #expect(Set(codes).count == codes.count)
    }

    @Test("The registered codes mean what the registry says")
    func registeredCodes() {
        #expect(CloseReason.clientDisconnected.webSocketCode == 1000)
        #expect(CloseReason.protocolViolation.webSocketCode == 1002)
        #expect(CloseReason.invalidUTF8.webSocketCode == 1007)
        #expect(CloseReason.frameTooLarge.webSocketCode == 1009)
        #expect(CloseReason.internalError.webSocketCode == 1011)
        #expect(CloseReason.shuttingDown.webSocketCode == 1012)
        #expect(CloseReason.overloaded.webSocketCode == 1013)
    }

    @Test("Every text is a short sentence of its own that fits a Close frame", arguments: CloseReason.allCases)
    func text(_ reason: CloseReason) {
        // RFC 6455, section 5.5: 125 bytes for a control frame, two of them the code.
        #expect(reason.text.utf8.count <= 123)
        #expect(reason.text.utf8.count < 100)
        #expect(reason.text.hasSuffix("."))
        #expect(reason.text.utf8.allSatisfy { (0x20..<0x7F).contains($0) })
        #expect(CloseReason.allCases.count { $0.text == reason.text } == 1)
    }

    @Test("A client comes back after faults of the way, not after being refused")
    func reconnecting() {
        for reason in [CloseReason.shuttingDown, .slowConsumer, .connectionLost, .overloaded, .internalError] {
            #expect(reason.shouldReconnect)
        }
        for reason in [
            CloseReason.clientDisconnected, .unauthorized, .tokenExpired, .protocolViolation, .tooManySessions,
        ] {
            #expect(!reason.shouldReconnect)
        }
    }
}
