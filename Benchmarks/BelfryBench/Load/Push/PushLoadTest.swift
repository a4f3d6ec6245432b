import Foundation

/// A load test of one server that pushes: its clients are connected, and messages are published, run after run.
///
/// Unchecked: its runs follow one another.
final class PushLoadTest: @unchecked Sendable {
    /// Of sessions that all get the same, every such one has its messages compared with what was sent.
    private static let watchedEvery = 50

    let server: PushServer
    let swarm: Swarm
    let recorder: PushRecorder
    let threads: Int
    private let publisher: any MessagePublisher & Sendable
    private let fanOut: Int
    private let receivers: Range<Int>
    private var nextNumber = 0
    /// What the saturated runs used: seconds, and seconds of processor time of the load generator and of the server.
    private(set) var used = (seconds: 0.0, own: 0.0, server: 0.0)

    /// Connects `sessions` clients.
    ///
    /// - Parameter acknowledges: clients answer each message with an ACK.
    init(
        _ server: PushServer, _ audience: PushServer.Audience, sessions: Int, threads: Int,
        acknowledges: Bool = false
    ) async throws {
        self.server = server
        self.threads = threads
        let watchedEvery: Int
        switch audience {
        case .broadcast:
            fanOut = sessions
            watchedEvery = Self.watchedEvery
            receivers = 0..<1
        case .unicast:
            fanOut = 1
            watchedEvery = 1
            receivers = 0..<sessions
        }
        let recorder = PushRecorder(
            sessions: sessions, bodyBytes: PushServer.bodyBytes, isContiguous: fanOut > 1)
        self.recorder = recorder
        var configuration = SwarmConfiguration(port: server.port, count: sessions, greeting: server.greeting) {
            recorder.received($0, $1, $2)
        }
        configuration.watchedEvery = watchedEvery
        configuration.acknowledges = acknowledges
        swarm = try await Swarm.start(configuration)
        do {
            publisher = try server.makePublisher()
        } catch {
            await swarm.stop()
            throw error
        }
    }

    /// Connects clients to a server that was just started; ends the server when they can't.
    static func connect(
        _ server: PushServer, _ audience: PushServer.Audience, sessions: Int, threads: Int,
        acknowledges: Bool = false
    ) async throws -> PushLoadTest {
        do {
            return try await PushLoadTest(
                server, audience, sessions: sessions, threads: threads,
                acknowledges: acknowledges)
        } catch {
            let log = server.logTail()
            await server.stop()
            throw BenchmarkError("\(error) \(server.name)'s log ends: \(log)")
        }
    }

    /// Deliveries a second with `window` messages for each receiver under way.
    func saturate(window: Int, batch: Int, warmUp: Double, seconds: Double) async throws -> Double {
        let saturated = SaturatingLoad(
            fanOut: fanOut, receivers: receivers, window: window * swarm.configuration.count, batch: batch,
            bodyBytes: PushServer.bodyBytes, warmUpSeconds: warmUp, seconds: seconds)
        let (own, serverBefore, began) = (ProcessUsage.own, server.usage(), MonotonicClock.nanoseconds)
        let rate = try await saturated.run(publisher, swarm, firstNumber: nextNumber)
        nextNumber += rate.published
        if let own, let serverBefore, let ownNow = ProcessUsage.own, let serverNow = server.usage() {
            used.seconds += Double(MonotonicClock.nanoseconds - began) / 1e9
            used.own += ownNow.cpuSeconds - own.cpuSeconds
            used.server += serverNow.cpuSeconds - serverBefore.cpuSeconds
        }
        try recorder.check()
        return rate.perSecond
    }

    /// Latencies in microseconds at `rate` messages a second, and the share of messages that went out late.
    func pace(rate: Double, seconds: Double) async throws -> (latencies: LatencySummary, late: Double) {
        let paced = PacedLoad(rate: rate, seconds: seconds, receivers: receivers, bodyBytes: PushServer.bodyBytes)
        recorder.startSampling()
        let outcome = try await paced.run(publisher, swarm, firstNumber: nextNumber)
        nextNumber += outcome.published
        let samples = recorder.stopSampling()
        try recorder.check()
        guard samples.count == outcome.published else {
            throw LoadError("\(samples.count) latencies of \(outcome.published) messages.")
        }
        return (LatencySummary(samples), Double(outcome.late) / Double(max(1, outcome.published)))
    }

    /// "load generator 31 % of a core, belfry 98 %".
    var usageNote: String {
        func percent(_ seconds: Double) -> String { "\(Int((seconds / max(used.seconds, 0.001) * 100).rounded())) %" }
        return "load generator \(percent(used.own)) of a core, \(server.name) \(percent(used.server))"
    }

    /// "with 1 thread".
    var threadsNote: String { threads == 1 ? "with 1 thread" : "with \(threads) threads" }

    /// What was used so far is not part of what is measured.
    func forgetUsage() { used = (0, 0, 0) }

    /// Disconnects the clients and ends the server. Throws what went wrong with a client before.
    func end() async {
        await swarm.stop()
        await server.stop()
    }
}
