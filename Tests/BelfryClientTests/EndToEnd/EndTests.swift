import BelfryClient
import BelfryModel
import Foundation
import Listening
import NIOSSL
import TestBasics
import TestSupport
import Testing

/// How a client begins and ends.
@Suite(.timeLimit(.minutes(2))) struct EndTests {
    private func code(_ error: any Error) -> BelfryClientError.Code? { (error as? BelfryClientError)?.code }

    /// The first reason why there is no connection.
    private func failure(of client: BelfryClient) async throws -> BelfryClientError? {
        try await client.running {
            for await state in client.states {
                switch state {
                case .reconnecting(let error, _, _): return error
                case .closed(let error): return error
                case .connected: return nil
                case .idle, .connecting: continue
                }
            }
            return nil
        }
    }

    @Test func cancellingItDisconnectsOnceAcknowledgementsAreCommitted() async throws {
        try await Installation.with { belfry in
            var ids: [Int64] = []
            for _ in 1...50 { ids.append(try await belfry.application.notify("alice")) }
            let client = BelfryClient(url: "ws://127.0.0.1:\(belfry.port)/ws", token: "alice")
            let run = Task { try await client.run() }
            var messages = client.messages().makeAsyncIterator()
            for message in try await messages.next(50) { message.ack() }
            run.cancel()
            try await run.value
            // The receipt of DISCONNECT came after the commit.
            #expect(try await belfry.application.outboxCount() == "0")
            #expect(try await messages.next() == nil)
            await #expect {
                try await client.unread()
            } throws: {
                code($0) == .closed
            }
            guard case .closed(nil)? = await client.states.first(where: { _ in true }) else {
                Issue.record("it is not closed")
                return
            }
            try await eventually("the session is gone") {
                try await belfry.application.value("select count(*) from belfry.presence") == "0"
            }
        }
    }

    @Test func itRunsOnceAndEndsAlsoBeforeItHasBegun() async throws {
        let client = BelfryClient(url: "ws://127.0.0.1:1/ws", token: "alice")
        let task = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            try await client.run()
        }
        try await task.value
        await #expect {
            try await client.run()
        } throws: {
            code($0) == .alreadyRun
        }
    }

    @Test func aTaskThatIsCancelledStopsWaitingForMessages() async throws {
        try await Installation.with { belfry in
            try await belfry.withClient(of: "alice") { client in
                let task = Task {
                    for try await _ in client.messages() {}
                }
                try await eventually("it is subscribed") {
                    try await client.unread().unviewed == 0
                }
                task.cancel()
                await #expect(throws: CancellationError.self) { try await task.value }
                let id = try await belfry.application.notify("alice")
                for try await message in client.messages() {
                    #expect(message.id == "\(id)")
                    break
                }
            }
        }
    }

    @Test(arguments: ["http://127.0.0.1/ws", "nonsense", "ws://"])
    func aURLThatCannotBeUsedIsSaidAtOnce(url: String) async throws {
        let client = BelfryClient(url: url, token: "alice")
        let messages = Task {
            for try await _ in client.messages() {}
        }
        await #expect {
            try await client.run()
        } throws: {
            code($0) == .invalidConfiguration
        }
        await #expect {
            try await messages.value
        } throws: {
            code($0) == .invalidConfiguration
        }
    }

    @Test func aHandshakeThatIsRefusedSaysWhy() async throws {
        try await Installation.with { belfry in
            let elsewhere = try await failure(
                of: BelfryClient(url: "ws://127.0.0.1:\(belfry.port)/elsewhere", token: "alice"))
            #expect(elsewhere?.code == .handshakeRefused)
            #expect(elsewhere?.message.contains("404") == true, "\(elsewhere?.message ?? "")")
            var configuration = BelfryClient.Configuration()
            configuration.handshakeHeaders = ["Origin": "https://evil.example"]
            let foreign = try await failure(
                of: BelfryClient(
                    url: "ws://127.0.0.1:\(belfry.port)/ws", token: "alice", configuration: configuration))
            #expect(foreign?.message.contains("403") == true, "\(foreign?.message ?? "")")
            configuration.handshakeHeaders = ["X-Evil": "a\r\nb: c"]
            let forged = try await failure(
                of: BelfryClient(
                    url: "ws://127.0.0.1:\(belfry.port)/ws", token: "alice", configuration: configuration))
            #expect(forged?.code == .invalidConfiguration)
        }
    }

    @Test func whoOpensTooManySessionsIsToldSo() async throws {
        var limits = Limits()
        limits.sessionsPerUserMax = 1
        limits.closesOldestSession = false
        try await Installation.with(limits: limits) { belfry in
            try await belfry.withClient(of: "alice") { first in
                _ = try await first.unread()
                let second = BelfryClient(url: "ws://127.0.0.1:\(belfry.port)/ws", token: "alice")
                await #expect {
                    try await second.run()
                } throws: {
                    code($0) == .tooManySessions
                }
                _ = try await first.unread()
            }
        }
    }

    @Test func aNodeThatStopsSendsClientsAway() async throws {
        try await Installation.with(nodes: 2) { belfry in
            try await belfry.withClient(of: "alice") { client in
                _ = try await client.unread()
                var states = client.states.makeAsyncIterator()
                _ = await states.next()
                await belfry.nodes[0].service.stop()
                guard case .reconnecting(let error, 1, let pause)? = await states.next() else {
                    Issue.record("the connection stayed")
                    return
                }
                #expect(error.code == .serverStopping && pause >= .seconds(1) && pause <= .seconds(2))
            }
        }
    }

    // MARK: TLS

    @Test(arguments: [true, false])
    func overTLS(isWebSocket: Bool) async throws {
        let certificate = try TestCertificate.make("client")
        let tls = try ServerTLS(
            files: TLSFiles(
                certificates: certificate.certificates.path, key: certificate.key.path, minimumVersion: .tls12),
            interval: .seconds(60), logger: .quiet)
        try await Installation.with(configure: {
            $0.http.tls = tls
            $0.stomp?.tls = tls
        }) { belfry in
            let id = try await belfry.application.notify("alice")
            let url =
                isWebSocket
                ? "wss://127.0.0.1:\(belfry.port)/ws" : "stomps://localhost:\(belfry.nodes[0].stompPort)"
            var configuration = BelfryClient.Configuration()
            configuration.logger = .quiet
            let distrustful = try await failure(
                of: BelfryClient(url: url, token: "alice", configuration: configuration))
            #expect(distrustful?.code == .unreachable)
            #expect(distrustful?.message.contains("TLS") == true, "\(distrustful?.message ?? "")")
            configuration.tls.trustRoots = .file(certificate.certificates.path)
            let client = BelfryClient(url: url, token: "alice", configuration: configuration)
            try await client.running {
                for try await message in client.messages() {
                    #expect(message.id == "\(id)")
                    break
                }
            }
        }
    }
}
