import BelfryModel
import Testing

@testable import Commands

@Suite struct AddressDestinationTests {
    /// What a user's id holds must not become segments of its own, which another's rights would be for.
    @Test(arguments: [
        ("alice", "/user/alice/queue/msg"), ("a/b", "/user/a%2Fb/queue/msg"), ("50%2F", "/user/50%252F/queue/msg"),
        ("a/\u{301}b", "/user/a%2F\u{301}b/queue/msg"), ("a%\u{301}", "/user/a%25\u{301}/queue/msg"),
    ])
    func slashesOfAUserAreEscaped(user: String, destination: String) {
        #expect(Array(Address.user(user).destination.utf8) == Array(destination.utf8))
    }

    @Test func aTopicIsItself() {
        #expect(Address.topic("a/b").destination == "/topic/a/b")
    }
}
