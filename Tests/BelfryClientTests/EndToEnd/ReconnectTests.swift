import BelfryClient
import BelfryModel
import TestBasics
import TestSupport
import Testing

/// A client behind a network that is cut.
@Suite(.timeLimit(.minutes(2))) struct ReconnectTests {
    private func withProxy(
        of belfry: Installation, configure: (inout BelfryClient.Configuration) -> Void = { _ in },
        _ body: (BelfryClient, CuttableProxy) async throws -> Void
    ) async throws {
        let proxy = try await CuttableProxy.start(to: belfry.port)
        var configuration = BelfryClient.Configuration()
        configuration.retryPauseFirst = .milliseconds(10)
        configuration.retryPauseMax = .milliseconds(50)
        configuration.logger = .quiet
        configure(&configuration)
        let client = BelfryClient(
            url: "ws://127.0.0.1:\(proxy.port)/ws", token: "alice", configuration: configuration)
        try await client.running { try await body(client, proxy) }
        await proxy.stop()
    }

    /// On real Redis, with the network cut again and again: nothing twice, nothing lost, and all of it delivered.
    @Test func messagesComeOnceHoweverOftenTheConnectionIsCut() async throws {
        let redis = try await TestServers.shared.sharedRedis()
        try await Installation.with(bus: .redis(redis)) { belfry in
            try await withProxy(of: belfry) { client, proxy in
                let count = 600
                async let writing: Void = {
                    for number in 1...count { try await belfry.application.notify("alice", "\(number)") }
                }()
                var numbers: [JSONValue] = []
                for try await message in client.messages() {
                    numbers.append(message.json)
                    message.ack()
                    if numbers.count.isMultiple(of: 40) {
                        let before = proxy.connectionsMade
                        proxy.cut()
                        try await eventually("it connects again") { proxy.connectionsMade > before }
                    }
                    if numbers.count == count { break }
                }
                try await writing
                #expect(numbers == (1...count).map { .integer(Int64($0)) })
                #expect(proxy.connectionsMade > count / 40)
            }
            // Acknowledgements that were lost were said again when the messages came again: those of the last
            // connection were given back by the end of the loop, and come to nobody.
            try await belfry.withClient(of: "alice") { client in
                var rest = client.messages().makeAsyncIterator()
                try await eventually("what was given back is acknowledged") {
                    if try await belfry.application.outboxCount() == "0" { return true }
                    try await rest.next()?.acknowledge()
                    return false
                }
            }
        }
    }

    @Test func aMessageFromBeforeTheCutIsAcknowledgedAfterIt() async throws {
        try await Installation.with { belfry in
            try await withProxy(of: belfry) { client, proxy in
                let id = try await belfry.application.notify("alice")
                var messages = client.messages().makeAsyncIterator()
                let message = try await messages.next()
                proxy.cut()
                try await eventually("it can be acknowledged by the next connection") {
                    do {
                        try await message?.acknowledge()
                        return true
                    } catch let error as BelfryClientError where error.code == .connectionLost {
                        // Not yet there again; from now on it is acknowledged by itself.
                        return try await belfry.application.status(id) == "delivered"
                    }
                }
                #expect(try await belfry.application.status(id) == "delivered")
                let next = try await belfry.application.notify("alice")
                #expect(try await messages.next()?.id == "\(next)", "it is not shown twice")
            }
        }
    }

    @Test func statesTellOfIt() async throws {
        try await Installation.with { belfry in
            try await withProxy(of: belfry) { client, proxy in
                var states = client.states.makeAsyncIterator()
                var seen: [String] = []
                while let state = await states.next() {
                    switch state {
                    case .idle: seen.append("idle")
                    case .connecting: seen.append("connecting")
                    case .connected(let session):
                        #expect(session.user == "alice" && !session.id.isEmpty && session.server == "belfry/test")
                        #expect(session.timeLeft == nil)
                        seen.append("connected")
                        if !seen.contains("reconnecting") { proxy.cut() }
                    case .reconnecting(let error, let attempt, let pause):
                        #expect(error.code == .connectionLost && attempt >= 1 && pause > .zero)
                        if seen.last != "reconnecting" { seen.append("reconnecting") }
                    case .closed: seen.append("closed")
                    }
                    if seen.filter({ $0 == "connected" }).count == 2 { break }
                }
                #expect(seen.drop { $0 == "idle" } == ["connecting", "connected", "reconnecting", "connected"])
            }
        }
    }

    /// What can be asked twice is, and what cannot says so.
    @Test func requestsOutliveTheConnectionIfTheyCan() async throws {
        try await Installation.with { belfry in
            try await withProxy(of: belfry) { client, proxy in
                let id = try await belfry.application.notify("alice")
                _ = try await client.unread()
                // Both are carried out, and their answers are lost with the connection.
                try await proxy.holdAnswers()
                let page = Task { try await client.history() }
                let sent = Task { try await client.send(to: .user("bob"), json: 1) }
                try await eventually("it is sent") {
                    try await belfry.application.value(
                        "select count(*) from belfry.message_log where receiver = 'bob'") == "1"
                }
                proxy.cut()
                await #expect {
                    try await sent.value
                } throws: { error in
                    (error as? BelfryClientError)?.code == .connectionLost
                }
                #expect(try await page.value.messages.map(\.id) == ["\(id)"])
                #expect(
                    try await belfry.application.value(
                        "select count(*) from belfry.message_log where receiver = 'bob'") == "1", "it is not sent twice"
                )
            }
        }
    }

    @Test func whereNobodyListensItIsTriedAgainUntilSomebodyDoes() async throws {
        try await Installation.with { belfry in
            let proxy = try await CuttableProxy.start(to: belfry.port)
            let port = proxy.port
            await proxy.stop()
            var configuration = BelfryClient.Configuration()
            configuration.retryPauseFirst = .seconds(60)
            configuration.retryPauseMax = .seconds(60)
            configuration.logger = .quiet
            let client = BelfryClient(
                url: "ws://127.0.0.1:\(port)/ws", token: "alice", configuration: configuration)
            try await client.running {
                var states = client.states.makeAsyncIterator()
                while let state = await states.next() {
                    guard case .reconnecting(let error, _, _) = state else { continue }
                    #expect(error.code == .unreachable)
                    #expect(error.message.contains("127.0.0.1:\(port)") && error.message.contains("refused"))
                    break
                }
                client.reconnectNow()
                while let state = await states.next() {
                    guard case .reconnecting(_, let attempt, _) = state else { continue }
                    #expect(attempt == 2, "the pause was over at once")
                    break
                }
            }
        }
    }
}
