/// What a user may do beyond receiving their own messages.
public struct Rights: Hashable, Sendable {
    /// Of which topics broadcasts may be received; `nil` for all.
    public let topics: [DestinationPattern]?
    /// To which destinations may be sent.
    public let sends: [DestinationPattern]
    /// What of others' messages and sessions they may see and do.
    public let operatorRight: OperatorRight

    /// Patterns in one list at most: each is compared with when a destination is asked about.
    public static let patternsMax = 100

    public init(
        topics: [DestinationPattern]? = nil, sends: [DestinationPattern] = [], operatorRight: OperatorRight = .none
    ) {
        self.topics = topics
        self.sends = sends
        self.operatorRight = operatorRight
    }

    /// What a token gives that says nothing of rights: every topic, no sending.
    public static let standard = Rights()
    /// Every topic, sending to everybody, and an operator's.
    public static let all = Rights(
        sends: ["/user/**", "/topic/**"].compactMap(DestinationPattern.init), operatorRight: .act)

    /// The patterns of a list of texts, of a token or of an application's answer; `nil` when it has too many, or one of
    /// them is none: a right that can't be read is not to be guessed.
    public static func patterns(_ texts: [String]) -> [DestinationPattern]? {
        let patterns = texts.prefix(patternsMax).compactMap(DestinationPattern.init)
        return patterns.count == texts.count ? patterns : nil
    }

    /// - Parameter destination: such as `/topic/news`.
    public func maySubscribe(to destination: String) -> Bool {
        topics?.contains { $0.matches(destination) } ?? true
    }

    /// - Parameter destination: such as `/user/alice/queue/msg` or `/topic/news`.
    public func maySend(to destination: String) -> Bool { sends.contains { $0.matches(destination) } }
}
