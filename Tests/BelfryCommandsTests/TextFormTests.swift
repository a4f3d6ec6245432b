import Foundation
import Logging
import Synchronization
import Testing

@testable import BelfryCommands

/// Durations, addresses, times and names as people write them.
struct TextFormTests {
    @Test(
        arguments: [
            ("5ms", .milliseconds(5)), ("10s", .seconds(10)), ("5m", .seconds(300)), ("2h", .seconds(7_200)),
            ("7d", .seconds(604_800)), ("0s", .zero), ("1500ms", .milliseconds(1_500)),
        ] as [(String, Duration)])
    func durationsHaveAUnit(text: String, duration: Duration) {
        #expect(DurationText.parse(text) == duration)
        #expect(DurationText.parse(DurationText.text(duration)) == duration)
    }

    @Test(arguments: ["", "5", "s", "-5s", "5 s", "5S", "1.5s", "5sec", "٥s", "9223372036854775807d", "5s5m"])
    func otherTextsAreNoDurations(text: String) {
        #expect(DurationText.parse(text) == nil)
    }

    @Test(arguments: [
        ("127.0.0.1:8080", "127.0.0.1", 8080, true), ("localhost:0", "localhost", 0, true),
        ("[::1]:80", "::1", 80, true),
        ("0.0.0.0:65535", "0.0.0.0", 65535, false), ("[::]:1", "::", 1, false),
        ("node.example:80", "node.example", 80, false),
        ("127.example.org:80", "127.example.org", 80, false),
    ])
    func addressesHaveAHostAndAPort(text: String, host: String, port: Int, isLoopback: Bool) throws {
        let address = try #require(ListenAddress(parsing: text))
        #expect(address == ListenAddress(host: host, port: port))
        #expect(address.isLoopback == isLoopback)
        #expect(address.description == text)
    }

    @Test(arguments: [
        "", "8080", ":8080", "host:", "host:65536", "host:-1", "::1:80", "a b:1", "http://a:1", "[a:1", "[]:1",
    ])
    func otherTextsAreNoAddresses(text: String) {
        #expect(ListenAddress(parsing: text) == nil)
    }

    @Test func timesAreISO8601OrAges() throws {
        let now = Date(timeIntervalSince1970: 1_800_000_000)
        #expect(TimePoint(parsing: "2h", .ago, now: now)?.text == "2027-01-15T06:00:00.000Z")
        #expect(TimePoint(parsing: "500ms", .fromNow, now: now)?.text == "2027-01-15T08:00:00.500Z")
        #expect(TimePoint(parsing: "2026-01-31", .ago)?.text == "2026-01-31T00:00:00Z")
        for text in [
            "2026-13-01", "2026-02-30", "0000-01-01", "2026-01-31T24:00", "2026-01-31T08:61Z", "2026-01-31T08:00:60Z",
            "99999999999d",
        ] {
            #expect(TimePoint(parsing: text, .ago) == nil, "\(text)")
        }
        #expect(TimePoint(parsing: "2028-02-29T23:59:59Z", .ago)?.text == "2028-02-29T23:59:59Z")
        #expect(TimePoint(parsing: "2026-01-31T08:00", .ago)?.text == "2026-01-31T08:00Z")
        #expect(TimePoint(parsing: "2026-01-31 08:00:01.25+05:30", .ago)?.text == "2026-01-31T08:00:01.25+05:30")
        #expect(TimePoint(parsing: "2026-01-31T08:00:00Z", .ago)?.text == "2026-01-31T08:00:00Z")
        for text in [
            "", "yesterday", "2026", "2026-1-31", "2026-01-31Z", "2026-01-31T08Z", "2026-01-31T08:00:00Zx", "5",
        ] {
            #expect(TimePoint(parsing: text, .ago) == nil)
        }
    }

    @Test func theNearestNameIsNearEnough() {
        let names = ["listen", "limits.sessionsMax", "jwt.secret"]
        #expect(NearestName.of("lisen", among: names) == "listen")
        #expect(NearestName.of("Limits.SessionMax", among: names) == "limits.sessionsMax")
        #expect(NearestName.of("something.else", among: names) == nil)
        #expect(NearestName.of("x", among: []) == nil)
    }

    @Test func agesAreReadable() {
        #expect(StatusReport.age(-1) == "0.0 s")
        #expect(StatusReport.age(3.14) == "3.1 s")
        #expect(StatusReport.age(90) == "90 s")
        #expect(StatusReport.age(600) == "10 min")
        #expect(StatusReport.age(10_000) == "2 h")
        #expect(StatusReport.age(1_000_000) == "11 days")
        #expect(StatusReport.age(.infinity) == "ages")
    }

    @Test func jsonLogsAreOneObjectALine() throws {
        let box = LineBox()
        var logger = Logger(label: "belfry.test") { JSONLogHandler(label: $0) { box.append($0) } }
        logger.logLevel = .debug
        logger[metadataKey: "node"] = "a\"b"
        logger.warning("Two\nlines", metadata: ["list": ["1", "2"], "map": ["k": "v"]])
        logger.trace("not logged")
        let line = try #require(box.lines.first)
        #expect(box.lines.count == 1 && !line.contains("\n"))
        let object = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
        #expect(object["level"] as? String == "warning")
        #expect(object["logger"] as? String == "belfry.test")
        #expect(object["message"] as? String == "Two\nlines")
        let metadata = try #require(object["metadata"] as? [String: Any])
        #expect(metadata["node"] as? String == "a\"b")
        #expect(metadata["list"] as? [String] == ["1", "2"])
        #expect(metadata["map"] as? [String: String] == ["k": "v"])
        let time = try #require(object["time"] as? String)
        #expect(time.wholeMatch(of: /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/) != nil, "\(time)")
    }
}

/// Lines that a handler wrote.
private final class LineBox: Sendable {
    private let box = Mutex<[String]>([])

    var lines: [String] { box.withLock { $0 } }
    func append(_ line: String) { box.withLock { $0.append(line) } }
}
