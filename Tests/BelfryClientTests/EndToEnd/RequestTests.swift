import Authentication
import BelfryClient
import Foundation
import TestBasics
import TestSupport
import Testing

/// What a program asks: its user's history, marks, and sending.
@Suite(.timeLimit(.minutes(2))) struct RequestTests {
    private func isError(_ code: BelfryClientError.Code, _ error: any Error, _ words: String = "") -> Bool {
        guard let error = error as? BelfryClientError else { return false }
        return error.code == code && (words.isEmpty || error.message.contains(words))
    }

    @Test func aUsersMessagesAreListedMarkedPutOffAndDeleted() async throws {
        try await Installation.with { belfry in
            try await belfry.withClient(of: "alice") { client in
                var ids: [String] = []
                for number in 1...5 { ids.append("\(try await belfry.application.notify("alice", "\(number)"))") }
                ids.append("\(try await belfry.application.notify("alice", "\"six\"", type: "STRING_MSG"))")
                try await belfry.application.notify("bob")

                let page = try await client.history(limit: 4)
                #expect(page.messages.map(\.id) == ids.suffix(4).reversed())
                #expect(page.messages.first?.data == "six" && page.messages.first?.isSeen == false)
                #expect(!page.isCut && page.counts.unviewed == 6 && page.counts.unseen == 6)
                #expect(try await client.history(before: ids[2]).messages.map(\.id) == [ids[1], ids[0]])
                #expect(try await client.history(after: ids[3]).messages.map(\.id) == [ids[5], ids[4]])
                #expect(try await client.history(type: "STRING_MSG").messages.map(\.id) == [ids[5]])

                #expect(try await client.markSeen(upTo: ids[5]).unseen == 0)
                #expect(try await client.markViewed([ids[5]]).unviewed == 5)
                let viewed = try await client.markViewed(upTo: ids[1])
                #expect(viewed.unviewed == 3)
                #expect(try await client.history(isUnviewed: true).messages.map(\.id) == [ids[4], ids[3], ids[2]])
                #expect(try await client.delete([ids[4], "999999"]).unviewed == 2)
                #expect(try await client.unread().unviewed == 2)
                #expect(try await client.unread().changes > viewed.changes)

                let copy = try await client.snooze(ids[3], until: Date(timeIntervalSinceNow: 3_600))
                #expect(copy.flatMap { Int64($0) } ?? 0 > Int64(ids[5]) ?? 0)
                #expect(try await client.history().messages.map(\.id) == [ids[5], ids[2], ids[1], ids[0]])
                #expect(try await client.snooze("999999", until: Date(timeIntervalSinceNow: 3_600)) == nil)
            }
        }
    }

    @Test func otherDevicesAreToldWithTheCounts() async throws {
        try await Installation.with { belfry in
            let id = try await belfry.application.notify("alice")
            try await belfry.withClient(of: "alice") { phone in
                var messages = phone.messages().makeAsyncIterator()
                #expect(try await messages.next()?.id == "\(id)")
                try await belfry.withClient(of: "alice") { laptop in
                    _ = try await laptop.markViewed(["\(id)"])
                }
                let told = try #require(try await messages.next())
                #expect(told.type == "NOTIFY_VIEWED" && told.json["ids"] == .array([.string("\(id)")]))
                let counts = told.notification.flatMap { BelfryClient.Counts($0) }
                #expect(counts?.unviewed == 0)
            }
        }
    }

    /// What one asks wrongly is told to them, and the others go on.
    @Test func aRefusalIsTheAskersOwn() async throws {
        try await Installation.with { belfry in
            try await belfry.withClient(of: "alice") { client in
                var messages = client.messages().makeAsyncIterator()
                try await messages.subscribed()
                await #expect {
                    try await client.history(limit: 1_000)
                } throws: {
                    isError(.invalid, $0, "100")
                }
                await #expect {
                    try await client.markViewed(upTo: "nonsense")
                } throws: {
                    isError(.invalid, $0, "upTo")
                }
                await #expect {
                    try await client.snooze("1", until: .distantPast)
                } throws: {
                    isError(.invalid, $0)
                }
                #expect(try await client.unread().unviewed == 0)
                let id = try await belfry.application.notify("alice")
                #expect(try await messages.next()?.id == "\(id)")
            }
        }
    }

    @Test func aSubscriptionThatIsRefusedEndsAlone() async throws {
        try await Installation.with(authenticator: FewRights()) { belfry in
            try await belfry.withClient(of: "alice") { client in
                var messages = client.messages().makeAsyncIterator()
                try await messages.subscribed()
                await #expect {
                    for try await _ in client.messages("/topic/secret") {}
                } throws: {
                    isError(.forbidden, $0)
                }
                await #expect {
                    for try await _ in client.messages("/nowhere") {}
                } throws: {
                    isError(.invalid, $0, "/nowhere")
                }
                let id = try await belfry.application.notify("alice")
                #expect(try await messages.next()?.id == "\(id)")
            }
        }
    }

    // MARK: Sending

    @Test func whatIsSentIsCommittedAndArrives() async throws {
        try await Installation.with { belfry in
            try await belfry.withClient(of: "alice") { alice in
                try await belfry.withClient(of: "b/o%b") { bob in
                    var options = BelfryClient.SendOptions()
                    options.headers = ["traceparent": "1", "receipt": "forged"]
                    options.expiresAt = Date(timeIntervalSinceNow: 60)
                    try await alice.send(
                        to: .user("b/o%b"), json: ["order": 7, "lines": [1.5, nil, true]], options: options)
                    try await alice.send(to: .user("b/o%b"), text: "hello")
                    #expect(try await belfry.application.value("select count(*) from belfry.message_log") == "2")
                    var messages = bob.messages().makeAsyncIterator()
                    let arrived = try await messages.next(2)
                    #expect(arrived[0].json == ["order": 7, "lines": [1.5, nil, true]])
                    #expect(arrived[0].headers["traceparent"] == "1" && arrived[0].headers["receipt"] == nil)
                    #expect(arrived[1].type == "STRING_MSG" && arrived[1].json == "hello")
                    struct Order: Codable, Equatable { let order: Int }
                    #expect(try arrived[0].json.decode(Order.self) == Order(order: 7))
                    try await alice.send(to: .topic("orders"), json: try JSONValue(encoding: Order(order: 8)))
                }
            }
        }
    }

    @Test func theSameKeyIsSentOnce() async throws {
        try await Installation.with { belfry in
            try await belfry.withClient(of: "alice") { client in
                var options = BelfryClient.SendOptions()
                options.idempotencyKey = "order-7"
                for _ in 1...3 { try await client.send(to: .user("bob"), json: 7, options: options) }
                #expect(try await belfry.application.value("select count(*) from belfry.message_log") == "1")
            }
        }
    }

    @Test func whatIsNotInOrderIsRefusedAndTheClientGoesOn() async throws {
        try await Installation.with(authenticator: FewRights()) { belfry in
            try await belfry.withClient(of: "alice") { client in
                await #expect {
                    try await client.send(to: .user("bob"), type: "NO_SUCH_TYPE", json: 1)
                } throws: {
                    isError(.invalid, $0, "NO_SUCH_TYPE")
                }
                await #expect {
                    try await client.send(to: .topic("secret"), json: 1)
                } throws: {
                    isError(.forbidden, $0)
                }
                await #expect {
                    try await client.send(to: .user("bob"), text: String(repeating: "x", count: 100_000))
                } throws: {
                    isError(.tooLarge, $0)
                }
                try await client.send(to: .user("bob"), json: 1)
                #expect(try await belfry.application.value("select count(*) from belfry.message_log") == "1")
            }
        }
    }

    @Test func whoWaitsNoLongerTakesTheQuestionBack() async throws {
        try await Installation.with { belfry in
            let client = BelfryClient(url: "ws://127.0.0.1:\(belfry.port)/ws", token: "alice")
            // Nothing runs that would answer.
            let question = Task { try await client.unread() }
            question.cancel()
            await #expect(throws: CancellationError.self) { try await question.value }
        }
    }
}

/// Lets everybody in by their name, to send to users and to see all topics but one.
private struct FewRights: Authenticator {
    func authenticate(_ credentials: Credentials) -> AuthenticationAnswer {
        .now(
            .success(
                Identity(
                    user: credentials.tokenOrPasscode,
                    rights: Rights(
                        topics: Rights.patterns(["/topic/news"]), sends: Rights.patterns(["/user/**"]) ?? []))))
    }
}
