import BelfryModel
import Bus
import NIOCore

/// One thing that every bus must do. Test targets run `BusCheck.all`, each on a fresh bus.
public struct BusCheck: Sendable, CustomStringConvertible {
    public let description: String
    private let body: @Sendable (BusUnderTest) async throws -> Void

    init(_ description: String, _ body: @escaping @Sendable (BusUnderTest) async throws -> Void) {
        self.description = description
        self.body = body
    }

    /// - Throws: what the bus did wrong.
    public func run(on underTest: BusUnderTest) async throws {
        try await body(underTest)
    }

    public static let all = delivery + subscriptions + contents + ends
}

extension BusCheck {
    private static let alice = Address.user("alice")
    private static let bob = Address.user("bob")

    static let delivery = [
        BusCheck("messages of an address arrive in the order published") { it in
            let listener = it.listener()
            try await listener.subscribe(alice, bob)
            let texts = (0..<500).map(String.init)
            for start in stride(from: 0, to: texts.count, by: 50) {
                try await it.publish(Array(texts[start..<start + 50]), to: alice)
                try await it.publish([texts[start]], to: bob)
            }
            try await listener.waitForMessages(500, for: alice)
            try await listener.waitForMessages(10, for: bob)
            try require(listener.texts(for: alice) == texts, "alice's messages are out of order")
            try require(listener.texts(for: bob).count == 10, "bob has messages twice")
        },
        BusCheck("subscribers on two loops both get every message") { it in
            let listeners = [it.listener(on: 0), it.listener(on: 1)]
            for listener in listeners { try await listener.subscribe(alice) }
            try await it.publish(["1", "2"], to: alice)
            for listener in listeners {
                try await listener.waitForMessages(2, for: alice)
                try require(listener.texts(for: alice) == ["1", "2"], "a subscriber got something else")
                try require(listener.callsOffTheLoop == 0, "a delegate was called off its loop")
            }
        },
        BusCheck("two subscribers on one loop both get every message") { it in
            let listeners = [it.listener(), it.listener()]
            for listener in listeners { try await listener.subscribe(alice) }
            try await it.publish(["1"], to: alice)
            for listener in listeners { try await listener.waitForMessages(1, for: alice) }
        },
        BusCheck("the end of a read is said after its messages") { it in
            let listener = it.listener()
            try await listener.subscribe(alice)
            try await it.publish(["1", "2", "3"], to: alice)
            try await listener.waitForMessages(3, for: alice)
            try await until("the read is completed") { listener.events.last == .readCompleted }
            try require(listener.events.first == .connected, "the first event was not the connection")
        },
        BusCheck("publishing to nobody, and publishing nothing, is answered") { it in
            try await it.publish(["1", "2"], to: .topic("nobody"))
            try await it.bus.publish([])
        },
        BusCheck("batches of several callers at once are all answered, each in its order") { it in
            let listener = it.listener()
            let addresses = (0..<8).map { Address.user("caller-\($0)") }
            try await listener.subscribe(all: addresses)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for address in addresses {
                    group.addTask {
                        for number in 0..<20 { try await it.publish(["\(number)a", "\(number)b"], to: address) }
                    }
                }
                try await group.waitForAll()
            }
            let expected = (0..<20).flatMap { ["\($0)a", "\($0)b"] }
            for address in addresses {
                try await listener.waitForMessages(40, for: address)
                try require(listener.texts(for: address) == expected, "\(address) got something else")
            }
        },
    ]

    static let subscriptions = [
        BusCheck("nothing that was published before the subscription arrives") { it in
            let listener = it.listener()
            try await it.publish(["before"], to: alice)
            try await listener.subscribe(alice)
            try await it.publish(["after"], to: alice)
            try await listener.waitForMessages(1, for: alice)
            try require(listener.texts(for: alice) == ["after"], "an earlier message came")
        },
        BusCheck("unsubscribe stops the messages, of that address only") { it in
            let listener = it.listener()
            try await listener.subscribe(alice, bob)
            try await listener.onLoop { $0.unsubscribe(alice) }
            try await it.publish(["no"], to: alice)
            try await it.publish(["yes"], to: bob)
            try await listener.waitForMessages(1, for: bob)
            try require(listener.texts(for: alice).isEmpty, "a message came after unsubscribe")
        },
        BusCheck("subscribing twice is the same as once") { it in
            let listener = it.listener()
            try await listener.onLoop { subscriber in
                subscriber.subscribe(alice)
                subscriber.subscribe(alice)
            }
            try await listener.subscribe(alice, bob)
            try await it.publish(["1"], to: alice)
            try await it.publish(["2"], to: bob)
            try await listener.waitForMessages(1, for: bob)
            try require(listener.texts(for: alice) == ["1"], "a message came twice")
            try require(listener.count(of: .subscribed(alice)) == 1, "the subscription was told twice")
        },
        BusCheck("an address given up and wanted again is announced again") { it in
            let listener = it.listener()
            try await listener.subscribe(alice)
            try await listener.onLoop { subscriber in
                subscriber.unsubscribe(alice)
                subscriber.subscribe(alice)
            }
            try await until("it is announced again") { listener.count(of: .subscribed(alice)) == 2 }
            try await listener.onLoop { $0.unsubscribe(alice) }
            try await listener.onLoop { $0.subscribe(alice) }
            try await until("it is announced a third time") { listener.count(of: .subscribed(alice)) == 3 }
            try await it.publish(["1"], to: alice)
            try await listener.waitForMessages(1, for: alice)
        },
        BusCheck("5,000 addresses in one turn") { it in
            let listener = it.listener()
            let addresses = (0..<5_000).map { $0 % 2 == 0 ? Address.user("u\($0)") : Address.topic("t\($0)") }
            try await listener.subscribe(all: addresses)
            try await it.bus.publish(
                addresses.enumerated().map { number, address in
                    BusPublication(address: address, envelope: ByteBuffer(string: "\(number)"))
                })
            try await until("a message came for each") {
                listener.events.count { if case .message = $0 { true } else { false } } >= 5_000
            }
            let texts = Set(
                listener.events.compactMap { event in
                    if case .message(_, let bytes) = event { String(buffer: bytes) } else { nil }
                })
            try require(texts.count == 5_000, "some address got the message of another")
            try await listener.onLoop { subscriber in addresses.forEach(subscriber.unsubscribe) }
            try await listener.subscribe(alice)
            try await it.publish(["x"], to: addresses[0])
            try await it.publish(["y"], to: alice)
            try await listener.waitForMessages(1, for: alice)
            try require(listener.messages(for: addresses[0]).count == 1, "unsubscribing 5,000 addresses left one")
        },
    ]

    static let contents = [
        BusCheck("envelopes of 1 MiB arrive whole") { it in
            let listener = it.listener()
            try await listener.subscribe(alice)
            let envelopes = (0..<8).map { ByteBuffer(repeating: UInt8($0), count: 1024 * 1024) }
            try await it.bus.publish(envelopes.map { BusPublication(address: alice, envelope: $0) })
            try await listener.waitForMessages(8, for: alice)
            try require(listener.messages(for: alice) == envelopes, "an envelope was changed on the way")
        },
        BusCheck("envelopes hold any bytes, and none") { it in
            let listener = it.listener()
            try await listener.subscribe(alice)
            let envelopes = [
                ByteBuffer(bytes: UInt8.min...UInt8.max), ByteBuffer(string: "\r\n$5\r\n*3\r\n"), ByteBuffer(),
                ByteBuffer(bytes: [0, 0, 0xff, 0xfe]),
            ]
            try await it.bus.publish(envelopes.map { BusPublication(address: alice, envelope: $0) })
            try await listener.waitForMessages(envelopes.count, for: alice)
            try require(listener.messages(for: alice) == envelopes, "an envelope was changed on the way")
        },
        BusCheck("names may hold any text, and only the same bytes are the same name") { it in
            let names = [
                "x", "a b", "a\r\nb", "*", "[a-z]", "u:x", "t:x", "żółw 🐢", "\u{e9}", "e\u{301}", "A", "a", "\0", "",
                String(repeating: "n", count: 255),
            ]
            let addresses = names.flatMap { [Address.user($0), Address.topic($0)] }
            let listener = it.listener()
            try await listener.subscribe(all: addresses)
            try await it.bus.publish(
                addresses.enumerated().map { number, address in
                    BusPublication(address: address, envelope: ByteBuffer(string: "\(number)"))
                })
            for (number, address) in addresses.enumerated() {
                try await listener.waitForMessages(1, for: address)
                try require(listener.texts(for: address) == ["\(number)"], "\(address) got something else")
            }
        },
    ]

    static let ends = [
        BusCheck("a closed subscriber hears nothing more") { it in
            let closed = it.listener()
            let open = it.listener()
            try await closed.subscribe(alice)
            try await open.subscribe(alice)
            try await closed.close()
            let events = closed.events
            try await it.publish(["1"], to: alice)
            try await open.waitForMessages(1, for: alice)
            try await closed.onLoop { subscriber in
                subscriber.subscribe(bob)
                subscriber.unsubscribe(alice)
                subscriber.close()
            }
            try require(closed.events == events, "something was heard after close()")
        },
        BusCheck("after close() publishing fails, and subscribers are disconnected") { it in
            let listener = it.listener()
            try await listener.subscribe(alice)
            await it.bus.close()
            try await until("the subscriber is disconnected") { listener.count(of: .disconnected) == 1 }
            do {
                try await it.publish(["1"], to: alice)
            } catch let error as BusError {
                try require(error.code == .closed, "publishing failed with \(error)")
                return
            }
            throw ConformanceFailure("publishing after close() went well")
        },
    ]
}
