import Testing

@testable import Listening

@Suite struct AddressRangeTests {
    @Test(arguments: [
        ("127.0.0.1", true), ("127.255.0.9", true), ("::1", true), ("::ffff:127.0.0.1", true), ("128.0.0.1", false),
        ("::2", false), ("::ffff:128.0.0.1", false), ("::127.0.0.1", false),
    ])
    func loopbackIsThisMachine(_ text: String, isLoopback: Bool) throws {
        #expect(try #require(IPAddress(parsing: text)).isLoopback == isLoopback)
    }

    @Test(arguments: ["192.0.2.1", "0.0.0.0", "255.255.255.255", "::", "2001:db8::1", "fe80::1"])
    func anAddressIsReadAndWritten(_ text: String) throws {
        #expect(try #require(IPAddress(parsing: text)).description == text)
    }

    @Test(arguments: [
        "", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", " 1.2.3.4", "1.2.3.4\u{0}", "::g", "[::1]", "fe80::1%eth0",
        "1.2.3.4/32", "localhost", String(repeating: "1", count: 10_000),
    ])
    func whatIsNoAddressIsNone(_ text: String) {
        #expect(IPAddress(parsing: text) == nil)
    }

    @Test(arguments: [
        ("10.0.0.0/8", "10.255.0.1", true), ("10.0.0.0/8", "11.0.0.0", false), ("192.0.2.1", "192.0.2.1", true),
        ("192.0.2.1", "192.0.2.2", false), ("0.0.0.0/0", "8.8.8.8", true), ("0.0.0.0/0", "2001:db8::1", false),
        ("::/0", "2001:db8::1", true), ("::/0", "8.8.8.8", false), ("fd00::/8", "fdff::1", true),
        ("fd00::/8", "fe00::1", false), ("2001:db8::/65", "2001:db8::7fff:0:0:1", true),
        ("2001:db8::/65", "2001:db8::8000:0:0:1", false), ("192.0.2.128/25", "192.0.2.127", false),
        ("192.0.2.128/25", "::ffff:192.0.2.200", true), ("::1", "::1", true),
    ])
    func aRangeHoldsWhatSharesItsPrefix(_ range: String, address: String, isIn: Bool) throws {
        let range = try #require(AddressRange(parsing: range))
        #expect(range.contains(try #require(IPAddress(parsing: address))) == isIn)
    }

    @Test(arguments: [
        "10.0.0.0/33", "10.0.0.1/8", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8/8", "/8", "::/129", "x/8", "",
    ])
    func whatIsNoRangeIsNone(_ text: String) {
        #expect(AddressRange(parsing: text) == nil)
    }
}
