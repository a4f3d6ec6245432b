import BelfryModel
import NIOCore
import Testing

@testable import Listening

@Suite struct ConnectionTableTests {
    private static let start = NIODeadline.uptimeNanoseconds(1_000_000_000)

    private static let limits: Limits = {
        var limits = Limits()
        limits.connectionsMax = 100
        limits.connectionsPerSecondMax = 8
        limits.connectionsPerAddressMax = 30
        limits.connectionsPerAddressPerSecondMax = 2
        return limits
    }()

    private var table = ConnectionTable(limits: limits, now: start)

    private func address(_ text: String) throws -> IPAddress { try #require(IPAddress(parsing: text)) }

    @Test mutating func aNodeTakesSoManyAtOnceAndThenSoManyASecond() {
        for _ in 0..<80 { #expect(table.enter(at: Self.start) == nil) }
        #expect(table.enter(at: Self.start) == .nodeRate)
        let later = Self.start + .seconds(1)
        for _ in 0..<8 { #expect(table.enter(at: later) == nil) }
        #expect(table.enter(at: later) == .nodeRate)
    }

    @Test mutating func aNodeHasSoManyPlaces() {
        for second in 0..<20 {
            for _ in 0..<5 { #expect(table.enter(at: Self.start + .seconds(Int64(second))) == nil) }
        }
        #expect(table.enter(at: Self.start + .seconds(60)) == .nodeFull)
        table.leave()
        #expect(table.enter(at: Self.start + .seconds(60)) == nil)
    }

    @Test mutating func anAddressHasItsOwnRateAndPlaces() throws {
        let (one, other) = (try address("192.0.2.1"), try address("192.0.2.2"))
        for _ in 0..<20 { #expect(table.enter(from: one, at: Self.start) == nil) }
        #expect(table.enter(from: one, at: Self.start) == .addressRate)
        #expect(table.enter(from: other, at: Self.start) == nil)
        #expect(table.enter(from: one, at: Self.start + .milliseconds(499)) == .addressRate)
        for _ in 0..<10 { #expect(table.enter(from: one, at: Self.start + .seconds(10)) == nil) }
        #expect(table.enter(from: one, at: Self.start + .seconds(20)) == .addressFull)
        table.leave(from: one)
        #expect(table.enter(from: one, at: Self.start + .seconds(20)) == nil)
    }

    @Test mutating func ofIPv6ANetworkIsOneAndAnIPv4AddressIsItself() throws {
        for host in 0..<20 { #expect(table.enter(from: try address("2001:db8::\(host)"), at: Self.start) == nil) }
        #expect(table.enter(from: try address("2001:db8::ffff"), at: Self.start) == .addressRate)
        #expect(table.enter(from: try address("2001:db8:0:1::1"), at: Self.start) == nil)
        for _ in 0..<20 { #expect(table.enter(from: try address("::ffff:192.0.2.1"), at: Self.start) == nil) }
        #expect(table.enter(from: try address("192.0.2.1"), at: Self.start) == .addressRate)
    }

    @Test mutating func withoutRatesOnlyPlacesCount() throws {
        var limits = Self.limits
        limits.connectionsPerSecondMax = 0
        limits.connectionsPerAddressPerSecondMax = 0
        table = ConnectionTable(limits: limits, now: Self.start)
        for _ in 0..<100 { #expect(table.enter(at: Self.start) == nil) }
        for _ in 0..<30 { #expect(table.enter(from: try address("192.0.2.1"), at: Self.start) == nil) }
        #expect(table.enter(from: try address("192.0.2.1"), at: Self.start) == .addressFull)
    }

    /// However many addresses come, what is remembered of them is bounded, and what is open is not forgotten.
    @Test mutating func whatIsRememberedIsBounded() throws {
        let open = try address("192.0.2.1")
        for _ in 0..<20 { #expect(table.enter(from: open, at: Self.start) == nil) }
        for number in 0..<(3 * ConnectionTable.addressesMax) {
            let address = IPAddress(ipv4: 0x0A00_0000 + UInt32(number))
            #expect(table.enter(from: address, at: Self.start + .milliseconds(1)) == nil)
            table.leave(from: address)
        }
        #expect(table.addresses <= ConnectionTable.addressesMax)
        #expect(table.enter(from: open, at: Self.start + .milliseconds(2)) == .addressRate)
    }
}
