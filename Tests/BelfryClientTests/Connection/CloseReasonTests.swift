import BelfryModel
import Testing
import WebSocket

@testable import BelfryClient

/// Node and client mean the same by a code.
struct CloseReasonTests {
    @Test(arguments: CloseReason.allCases)
    func theCodeOfAReasonIsUnderstood(reason: CloseReason) {
        let understood = CloseReason(webSocketCode: reason.webSocketCode)
        switch reason {
        // A farewell without an own code: the client comes back.
        case .clientDisconnected: #expect(understood == .connectionLost)
        case .authenticationUnavailable: #expect(understood == .overloaded)
        default: #expect(understood == reason)
        }
        #expect(understood.errorCode == reason.errorCode)
        #expect(CloseReason(message: reason.text) == reason)
    }

    @Test func otherCodesAreLostConnections() {
        for code in [1000, 1001, 1005, 1006, 3000, 4999] as [UInt16] {
            #expect(CloseReason(webSocketCode: code) == .connectionLost)
        }
        #expect(CloseReason(message: "The command was refused.") == nil)
    }

    @Test(arguments: [
        ("This node is full; connect again in 10 s.", Duration.seconds(10)), ("… in 1 s.", .seconds(1)),
        ("", nil), ("in s.", nil), ("again in -1 s.", nil), ("again in 99999999999999999999 s.", nil),
        ("The connection was lost.", nil),
    ])
    func howLongToStayAway(text: String, away: Duration?) {
        #expect(RetryAfter.atEnd(of: text) == away)
        #expect(ConnectionEnd.closed(code: 1012, reason: text).away == away)
    }
}
