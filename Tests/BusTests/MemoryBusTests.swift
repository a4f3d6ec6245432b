import BelfryModel
import BusConformance
import Dispatch
import NIOCore
import NIOPosix
import Testing

@testable import Bus

struct MemoryBusTests {
    private let loops = (0..<2).map { _ in MultiThreadedEventLoopGroup.singleton.next() }

    @Test(arguments: BusCheck.all)
    func conforms(check: BusCheck) async throws {
        try await check.run(on: BusUnderTest(bus: MemoryBus(), loops: loops))
    }

    @Test func anOutageIsLikeRedisGoneAndBack() async throws {
        let bus = MemoryBus()
        let underTest = BusUnderTest(bus: bus, loops: loops)
        let listener = underTest.listener()
        try await listener.subscribe(.user("alice"), .topic("news"))
        bus.disconnect()
        try await until("the outage is told") { listener.count(of: .disconnected) == 1 }
        let error = await #expect(throws: BusError.self) { try await underTest.publish(["1"], to: .user("alice")) }
        #expect(error?.code == .unavailable)
        try await listener.onLoop { subscriber in
            subscriber.subscribe(.user("bob"))
            subscriber.unsubscribe(.topic("news"))
        }
        bus.reconnect()
        try await until("subscriptions are made again") {
            listener.count(of: .subscribed(.user("alice"))) == 2 && listener.count(of: .subscribed(.user("bob"))) == 1
        }
        #expect(listener.count(of: .connected) == 2)
        #expect(listener.count(of: .subscribed(.topic("news"))) == 1)
        try await underTest.publish(["2"], to: .user("alice"))
        try await listener.waitForMessages(1, for: .user("alice"))
        #expect(listener.texts(for: .user("alice")) == ["2"])
    }

    @Test func aSubscriberMadeDuringAnOutageIsConnectedAfterIt() async throws {
        let bus = MemoryBus()
        bus.disconnect()
        let listener = BusUnderTest(bus: bus, loops: loops).listener()
        try await listener.onLoop { $0.subscribe(.user("alice")) }
        #expect(listener.events.isEmpty)
        bus.reconnect()
        try await until("it is connected and subscribed") {
            listener.events == [.connected, .subscribed(.user("alice"))]
        }
    }

    @Test func aLoopThatFallsBehindIsDisconnectedAndTheOthersAreNot() async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let underTest = BusUnderTest(bus: MemoryBus(pendingBytesMax: 1_000), loops: [loops[0], group.next()])
        let quick = underTest.listener(on: 0)
        let slow = underTest.listener(on: 1)
        try await quick.subscribe(.user("alice"))
        try await slow.subscribe(.user("alice"))
        let isBusy = DispatchSemaphore(value: 0)
        group.next().execute { isBusy.wait() }
        let text = String(repeating: "x", count: 300)
        for number in 1...8 {
            try await underTest.publish([text], to: .user("alice"))
            try await quick.waitForMessages(number, for: .user("alice"))
        }
        isBusy.signal()
        try await until("the slow loop is subscribed anew") { slow.count(of: .subscribed(.user("alice"))) == 2 }
        #expect(slow.messages(for: .user("alice")).count == 3)
        #expect(slow.events.suffix(4) == [.readCompleted, .disconnected, .connected, .subscribed(.user("alice"))])
        try await underTest.publish(["after"], to: .user("alice"))
        try await slow.waitForMessages(4, for: .user("alice"))
        #expect(quick.count(of: .disconnected) == 0)
        try await group.shutdownGracefully()
    }

    @Test func aBatchIsOneTurnOfTheLoop() async throws {
        let bus = MemoryBus()
        let underTest = BusUnderTest(bus: bus, loops: loops)
        let listener = underTest.listener()
        try await listener.subscribe(.user("alice"))
        try await underTest.publish((0..<100).map(String.init), to: .user("alice"))
        try await until("the batch is read") { listener.events.last == .readCompleted }
        #expect(listener.count(of: .readCompleted) == 1)
        #expect(listener.messages(for: .user("alice")).count == 100)
    }
}
