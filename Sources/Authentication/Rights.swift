/// What a user may do beyond receiving their own messages.
public struct Rights: Hashable, Sendable {
    /// Of which topics broadcasts may be received; `nil` for all.
    public let topics: [DestinationPattern]?
    /// To which destinations may be sent.
    public let sends: [DestinationPattern]

    public init(topics: [DestinationPattern]? = nil, sends: [DestinationPattern] = []) {
        self.topics = topics
        self.sends = sends
    }

    /// What a token gives that says nothing of rights: every topic, no sending.
    public static let standard = Rights()
    /// Every topic, and sending to everybody.
    public static let all = Rights(sends: ["/user/**", "/topic/**"].compactMap(DestinationPattern.init))

    /// - Parameter destination: such as `/topic/news`.
    public func maySubscribe(to destination: String) -> Bool {
        topics?.contains { $0.matches(destination) } ?? true
    }

    /// - Parameter destination: such as `/user/alice/queue/msg` or `/topic/news`.
    public func maySend(to destination: String) -> Bool { sends.contains { $0.matches(destination) } }
}
