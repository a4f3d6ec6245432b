import NIOCore
import NIOEmbedded
import Testing

@testable import HTTPServer

@Suite struct FirstRequestWatchTests {
    private static let start = NIODeadline.uptimeNanoseconds(1_000_000_000)

    private static let timeout = TimeAmount.seconds(10)

    private let watch = FirstRequestWatch(eventLoop: EmbeddedEventLoop(), timeout: timeout)

    private func connection() throws -> EmbeddedChannel {
        let channel = EmbeddedChannel()
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        return channel
    }

    @Test func eachIsClosedWhenItsOwnTimeIsOver() throws {
        let (first, second) = (try connection(), try connection())
        watch.began(first, at: Self.start)
        watch.began(second, at: Self.start + .seconds(3))
        watch.tick(at: Self.start + Self.timeout - .nanoseconds(1))
        #expect(first.isActive && second.isActive)
        watch.tick(at: Self.start + Self.timeout)
        #expect(!first.isActive && second.isActive)
        watch.tick(at: Self.start + Self.timeout + .seconds(3))
        #expect(!second.isActive)
    }

    @Test func whoseRequestHasComeIsLeftAlone() throws {
        let channel = try connection()
        watch.began(channel, at: Self.start)
        watch.ended(channel)
        watch.tick(at: Self.start + Self.timeout * 2)
        #expect(channel.isActive)
    }

    /// As when a new channel lies where one that is gone has been.
    @Test func oneThatBeganAnewHasAllOfItsTime() throws {
        let channel = try connection()
        watch.began(channel, at: Self.start)
        watch.ended(channel)
        watch.began(channel, at: Self.start + .seconds(5))
        watch.tick(at: Self.start + Self.timeout)
        #expect(channel.isActive)
        watch.tick(at: Self.start + Self.timeout + .seconds(5))
        #expect(!channel.isActive)
    }
}
