import Dispatch
import Synchronization
import TestBasics
import Testing

@testable import PasswordAuthentication

@Suite(.timeLimit(.minutes(1))) struct HashingThreadsTests {
    private final class Log: Sendable {
        private let kept = Mutex<[String]>([])
        var lines: [String] { kept.withLock { $0 } }
        func add(_ line: String) { kept.withLock { $0.append(line) } }
    }

    /// Has one thread wait, and then `asked` run, each by its address.
    private func order(of asked: [(name: String, address: String)]) async throws -> [String] {
        let (threads, gate, log) = (Self.threads(1), DispatchSemaphore(value: 0), Log())
        return try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                _ = await threads.run(for: "gate") {
                    log.add("gate")
                    gate.wait()
                    return true
                }
            }
            try await eventually("the thread waits") { log.lines == ["gate"] }
            for (count, work) in asked.enumerated() {
                group.addTask {
                    _ = await threads.run(for: work.address) {
                        log.add(work.name)
                        return true
                    }
                }
                try await eventually("it waits in its line") { threads.waitingCount == count + 1 }
            }
            gate.signal()
            try await group.waitForAll()
            return Array(log.lines.dropFirst())
        }
    }

    private static func threads(_ count: Int) -> HashingThreads {
        HashingThreads(threads: count, waitingMax: 10, waitingPerAddressMax: 4)
    }

    @Test func addressesTakeTurnsAndOfOneTheNewestComesFirst() async throws {
        let order = try await order(of: [
            ("a1", "a"), ("a2", "a"), ("a3", "a"), ("b1", "b"), ("a4", "a"), ("c1", "c"),
        ])
        #expect(order == ["a4", "b1", "c1", "a3", "a2", "a1"])
    }

    /// Else six wrong passwords in a second stop health checks, heart-beats and the end of the process.
    @Test func tasksOfTheProcessGoOnMeanwhile() async throws {
        let (threads, gate) = (Self.threads(8), DispatchSemaphore(value: 0))
        await withTaskGroup(of: Void.self) { group in
            for number in 0..<8 {
                group.addTask {
                    _ = await threads.run(for: "\(number)") {
                        gate.wait()
                        return true
                    }
                }
            }
            // Each of these needs a thread of the pool that tasks run on.
            for _ in 0..<100 { await Task.detached { await Task.yield() }.value }
            for _ in 0..<8 { gate.signal() }
        }
    }

    @Test func whoIsCancelledIsNotComputedAndMakesRoom() async throws {
        let (threads, gate, log) = (Self.threads(1), DispatchSemaphore(value: 0), Log())
        let first = Task {
            await threads.run(for: "a") {
                log.add("first")
                gate.wait()
                return true
            }
        }
        try await eventually("the thread waits") { log.lines == ["first"] }
        var others: [Task<Bool, Never>] = []
        for _ in 0..<4 { others.append(Task { await threads.run(for: "a") { true } }) }
        try await eventually("the line is full") { !threads.hasRoom(for: "a") }
        #expect(threads.hasRoom(for: "b"))
        for other in others { other.cancel() }
        for other in others { #expect(await !other.value) }
        #expect(threads.hasRoom(for: "a") && threads.waitingCount == 0)
        gate.signal()
        #expect(await first.value)
    }
}
