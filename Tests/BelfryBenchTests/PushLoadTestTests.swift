import Foundation
import Testing

@testable import BelfryBench

/// The load engine against the bare fan-out, a server that needs no database.
@Suite struct PushLoadTestTests {
    @Test func everySessionGetsEveryMessage() async throws {
        let server = try await PushServer.bare(program: Programs.bench)
        let test = try await PushLoadTest.connect(server, .broadcast, sessions: 60, threads: 1)
        let rate = try await test.saturate(window: 4, batch: 1, warmUp: 0.05, seconds: 0.2)
        #expect(rate > 0)
        #expect(test.usageNote.contains("bare NIO fan-out "))
        // What two of the sessions got was compared; `saturate` throws when a delivery is missing or comes twice.
        let counts = await test.swarm.stop()
        #expect(counts.count == 60 && Set(counts).count == 1 && counts[0] > 0, "\(Set(counts))")
        await test.end()
        #expect(server.usage() == nil, "its process has ended")
    }

    @Test func whoLeavesTakesNobodyAlong() async throws {
        let server = try await PushServer.bare(program: Programs.bench)
        let leaving = try await PushLoadTest.connect(server, .broadcast, sessions: 50, threads: 1)
        let staying = try await PushLoadTest.connect(server, .broadcast, sessions: 70, threads: 1)
        await leaving.swarm.stop()
        for _ in 0..<3 { _ = try await staying.saturate(window: 4, batch: 1, warmUp: 0.05, seconds: 0.1) }
        let counts = await staying.swarm.stop()
        #expect(Set(counts).count == 1 && counts[0] > 0, "\(Set(counts))")
        await staying.end()
    }

    @Test func aServerThatIsNotThereIsNamed() async throws {
        let server = try await PushServer.bare(program: Programs.bench)
        await server.stop()
        await #expect {
            try await PushLoadTest.connect(server, .broadcast, sessions: 1, threads: 1)
        } throws: { error in
            "\(error)".contains("port \(server.port)") && "\(error)".contains("bare NIO fan-out's log")
        }
    }
}
