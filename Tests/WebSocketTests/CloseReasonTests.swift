import BelfryModel
import Testing
import WebSocket

@Suite("CloseReason in a Close frame")
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
}
