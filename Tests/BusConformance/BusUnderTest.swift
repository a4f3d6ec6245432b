import BelfryModel
import Bus
import NIOCore

/// A fresh bus for one check, and event loops to listen on.
public struct BusUnderTest: Sendable {
    public let bus: any Bus
    public let loops: [any EventLoop]

    /// - Parameters:
    ///   - bus: connected, and shared with nobody.
    ///   - loops: two at least, all running.
    public init(bus: any Bus, loops: [any EventLoop]) {
        self.bus = bus
        self.loops = loops
    }

    /// A listener on one of the loops.
    public func listener(on index: Int = 0) -> BusListener {
        BusListener(bus: bus, eventLoop: loops[index])
    }

    /// Publishes texts to one address as one batch.
    public func publish(_ texts: [String], to address: Address) async throws {
        try await bus.publish(texts.map { BusPublication(address: address, envelope: ByteBuffer(string: $0)) })
    }
}

/// What a check found wrong.
public struct ConformanceFailure: Error, CustomStringConvertible {
    public let description: String

    public init(_ description: String) {
        self.description = description
    }
}

/// - Throws: `ConformanceFailure` with the sentence unless the condition holds.
public func require(_ condition: Bool, _ sentence: @autoclosure () -> String) throws {
    guard condition else { throw ConformanceFailure(sentence()) }
}

/// Waits for a condition, with a bound.
///
/// - Throws: `ConformanceFailure` when it does not hold within 20 seconds.
public func until(_ what: String, _ condition: @Sendable () async -> Bool) async throws {
    let end = ContinuousClock.now + .seconds(20)
    while await !condition() {
        guard ContinuousClock.now < end else {
            throw ConformanceFailure("It did not come to this in time: \(what).")
        }
        try await Task.sleep(for: .milliseconds(2))
    }
}
