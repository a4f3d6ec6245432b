import Authentication
import BelfryClient
import Foundation
import NIOConcurrencyHelpers
import TestBasics
import TestSupport
import Testing

/// Lets in whoever says `<user> <milliseconds>`, for as long; refuses the rest.
private struct TimedTokens: Authenticator {
    func authenticate(_ credentials: Credentials) -> AuthenticationAnswer {
        let parts = credentials.tokenOrPasscode.split(separator: " ")
        guard parts.count == 2, let milliseconds = Double(parts[1]) else {
            return .now(.failure(AuthenticationError(.signature, "the token is forged.")))
        }
        return .now(
            .success(
                Identity(user: String(parts[0]), expiresAt: Date(timeIntervalSinceNow: milliseconds / 1_000))))
    }
}

@Suite(.timeLimit(.minutes(2))) struct TokenTests {
    /// A client whose tokens come from `token`, told how often it was asked before.
    private func with(
        _ token: @escaping @Sendable (_ before: Int) async throws -> String,
        _ body: (Installation, BelfryClient, NIOLockedValueBox<Int>) async throws -> Void
    ) async throws {
        try await Installation.with(authenticator: TimedTokens()) { belfry in
            let asked = NIOLockedValueBox(0)
            var configuration = BelfryClient.Configuration()
            configuration.retryPauseFirst = .milliseconds(20)
            configuration.logger = .quiet
            let client = BelfryClient(url: "ws://127.0.0.1:\(belfry.port)/ws", configuration: configuration) {
                try await token(
                    asked.withLockedValue { count in
                        defer { count += 1 }
                        return count
                    })
            }
            try await body(belfry, client, asked)
        }
    }

    @Test func aNewTokenIsSentInTimeAndTheSessionGoesOn() async throws {
        try await with { _ in
            "alice 2000"
        } _: { belfry, client, asked in
            try await client.running {
                var messages = client.messages().makeAsyncIterator()
                try await messages.subscribed()
                // Three tokens' time and more.
                try await eventually("three were sent") { asked.withLockedValue { $0 } >= 4 }
                let id = try await belfry.application.notify("alice")
                let message = try await messages.next()
                #expect(message?.id == "\(id)" && message?.isRedelivered == false)
                var states = client.states.makeAsyncIterator()
                guard case .connected(let session) = await states.next() else {
                    Issue.record("the session ended")
                    return
                }
                #expect(session.timeLeft.map { $0 > .seconds(1) && $0 <= .seconds(2) } == true)
                #expect(try await belfry.application.value("select count(*) from belfry.presence") == "1")
            }
        }
    }

    @Test func aRefusedTokenIsFinal() async throws {
        try await with { _ in
            "nonsense"
        } _: { _, client, asked in
            let messages = Task {
                for try await _ in client.messages() {}
            }
            let answer = Task { try await client.unread() }
            func isRefusal(_ error: any Error) -> Bool {
                guard let error = error as? BelfryClientError else { return false }
                return error.code == .tokenRefused && error.message.contains("the token is forged")
            }
            await #expect(throws: BelfryClientError.self) { try await client.run() }
            await #expect { try await messages.value } throws: { isRefusal($0) }
            await #expect { try await answer.value } throws: { isRefusal($0) }
            // Whoever comes later hears of it too, at once.
            await #expect {
                for try await _ in client.messages() {}
            } throws: { isRefusal($0) }
            await #expect { try await client.unread() } throws: { isRefusal($0) }
            guard case .closed(let error?)? = await client.states.first(where: { _ in true }), isRefusal(error) else {
                Issue.record("the state does not tell")
                return
            }
            #expect(asked.withLockedValue { $0 } == 1)
        }
    }

    @Test func aTokenOfAnotherUsersIsRefusedInTheMiddle() async throws {
        try await with { before in
            before == 0 ? "alice 3000" : "bob 3000"
        } _: { _, client, _ in
            await #expect {
                try await client.run()
            } throws: { error in
                (error as? BelfryClientError)?.code == .forbidden
            }
        }
    }

    @Test func anExpiredTokenIsFollowedByAnother() async throws {
        struct NotNow: Error {}
        try await with { before in
            // No other token can be had until the session has ended.
            if before == 1 || before == 2 { throw NotNow() }
            return "alice 1500"
        } _: { belfry, client, asked in
            try await client.running {
                var messages = client.messages().makeAsyncIterator()
                let first = try await belfry.application.notify("alice")
                #expect(try await messages.next()?.id == "\(first)")
                try await eventually("there is a third") { asked.withLockedValue { $0 } >= 4 }
                let second = try await belfry.application.notify("alice")
                #expect(try await messages.next()?.id == "\(second)")
            }
        }
    }

    @Test func aProgramWithoutATokenIsAskedAgain() async throws {
        struct NoNetwork: Error {}
        try await with { before in
            if before < 3 { throw NoNetwork() }
            return "alice 60000"
        } _: { belfry, client, _ in
            try await client.running {
                var states = client.states.makeAsyncIterator()
                var tries: [Int] = []
                while let state = await states.next() {
                    if case .reconnecting(let error, let attempt, _) = state {
                        #expect(error.code == .tokenUnavailable && error.underlying is NoNetwork)
                        tries.append(attempt)
                    }
                    if case .connected = state { break }
                }
                #expect(tries == [1, 2, 3])
            }
        }
    }
}
