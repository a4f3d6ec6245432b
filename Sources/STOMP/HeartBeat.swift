import NIOCore

/// The `heart-beat` header of CONNECT ("STOMP 1.2, Heart-beating").
public struct HeartBeatOffer: Hashable, Sendable {
    /// The client can send something every so many milliseconds; 0 means that it cannot.
    public let canSendMilliseconds: UInt32
    /// The client would like to get something every so many milliseconds; 0 means that it does not want it.
    public let wantsMilliseconds: UInt32

    /// What a missing header means.
    public static let none = HeartBeatOffer(canSendMilliseconds: 0, wantsMilliseconds: 0)

    public init(canSendMilliseconds: UInt32, wantsMilliseconds: UInt32) {
        self.canSendMilliseconds = canSendMilliseconds
        self.wantsMilliseconds = wantsMilliseconds
    }

    /// Reads `<cx>,<cy>`; `nil` when that is not two whole numbers below 2³².
    public init?(_ text: String) {
        // By bytes: characters would have to be found first.
        let parts = text.utf8.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
        guard parts.count == 2, let canSend = Self.number(parts[0]), let wants = Self.number(parts[1]) else {
            return nil
        }
        self.init(canSendMilliseconds: canSend, wantsMilliseconds: wants)
    }

    private static func number(_ text: Substring.UTF8View) -> UInt32? {
        guard let first = text.first, first != UInt8(ascii: "+") else { return nil }
        return UInt32(Substring(text))
    }
}

/// What client and server have agreed on ("STOMP 1.2, Heart-beating"), as one of them sees it; `nil` means no
/// heart-beats that way.
public struct HeartBeatAgreement: Hashable, Sendable {
    /// This side sends something at least this often.
    public let outboundInterval: TimeAmount?
    /// The other side sends something at least this often.
    public let inboundInterval: TimeAmount?

    /// - Parameters:
    ///   - own: what this side has offered.
    ///   - other: what the other side has answered, or asked for.
    public init(own: HeartBeatOffer, other: HeartBeatOffer) {
        outboundInterval = Self.interval(own.canSendMilliseconds, other.wantsMilliseconds)
        inboundInterval = Self.interval(own.wantsMilliseconds, other.canSendMilliseconds)
    }

    /// The server's view.
    ///
    /// - Parameter serverMilliseconds: what the server can send and wants to get; 0 for no heart-beats.
    public init(client: HeartBeatOffer, serverMilliseconds: UInt32) {
        self.init(
            own: HeartBeatOffer(canSendMilliseconds: serverMilliseconds, wantsMilliseconds: serverMilliseconds),
            other: client)
    }

    private static func interval(_ one: UInt32, _ other: UInt32) -> TimeAmount? {
        one == 0 || other == 0 ? nil : .milliseconds(Int64(max(one, other)))
    }
}
