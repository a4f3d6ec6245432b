/// An event that a handler behind `RequestHandler` triggers before it begins an answer that takes as long as it takes,
/// such as a stream: nothing but the peer, or whoever triggered this, ends it then.
public struct OpenEndedAnswer: Sendable {
    public init() {}
}
