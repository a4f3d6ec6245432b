import BelfryModel
import Foundation
import TestBasics
import TestSupport
import Testing

/// What users do with their messages over HTTP.
@Suite struct APIInboxTests {
    @Test func aUserReadsPagesCountsAndMarks() async throws {
        try await Installation.with { belfry in
            for number in 1...5 { try await belfry.application.notify("alice", "\(number)") }
            try await belfry.application.notify("bob")
            let port = belfry.port

            let first = try await HTTPAnswer.ask("GET", "/api/v1/messages?limit=2", port: port)
            #expect(first.status == 200 && first.messageIDs == ["5", "4"] && first.counts == "5 5")
            #expect(first.headers["link"] == "</api/v1/messages?before=4&limit=2>; rel=\"next\"")
            let second = try await HTTPAnswer.ask("GET", "/api/v1/messages?before=4&limit=3", port: port)
            #expect(second.messageIDs == ["3", "2", "1"])
            #expect(try await HTTPAnswer.ask("GET", "/api/v1/messages?after=3", port: port).messageIDs == ["5", "4"])

            let viewed = try await HTTPAnswer.ask(
                "POST", "/api/v1/viewed", port: port, json: #"{"ids":["2",4,"6"]}"#)
            #expect(viewed.status == 200 && viewed.counts == "3 3", "6 is bob's")
            #expect(
                try await HTTPAnswer.ask("GET", "/api/v1/messages?unviewed=true", port: port).messageIDs
                    == ["5", "3", "1"])
            let seen = try await HTTPAnswer.ask("POST", "/api/v1/seen", port: port, json: #"{"upTo":"3"}"#)
            #expect(seen.counts == "3 1")
            let one = try await HTTPAnswer.ask("GET", "/api/v1/messages/3", port: port)
            #expect(one.object["viewed"] as? Bool == false && one.object["seen"] as? Bool == true)
            #expect(one.object["data"] as? Int == 3)

            let deleted = try await HTTPAnswer.ask("DELETE", "/api/v1/messages/5", port: port)
            #expect(deleted.status == 200 && deleted.counts == "2 0")
            #expect(try await HTTPAnswer.ask("GET", "/api/v1/messages/5", port: port).problem == "404 notFound")
            let all = try await HTTPAnswer.ask("POST", "/api/v1/viewed", port: port, json: #"{"upTo":"9"}"#)
            #expect(all.counts == "0 0")
            #expect(try await HTTPAnswer.ask("GET", "/api/v1/unread", port: port, token: "bob").counts == "1 1")
        }
    }

    /// A page of large messages is cut on the side that is farther from its cursor.
    @Test func aPageThatIsCutJoinsItsCursor() async throws {
        try await Installation.with { belfry in
            for _ in 1...7 {
                try await belfry.application.notify("alice", "\"\(String(repeating: "x", count: 200_000))\"")
            }
            let up = try await HTTPAnswer.ask("GET", "/api/v1/messages?after=1&limit=5", port: belfry.port)
            #expect(up.messageIDs == ["4", "3", "2"] && up.object["isCut"] as? Bool == true)
            let down = try await HTTPAnswer.ask("GET", "/api/v1/messages?before=7&limit=5", port: belfry.port)
            #expect(down.messageIDs == ["6", "5", "4"] && down.object["isCut"] as? Bool == true)
            #expect(up.counts == "7 7")
        }
    }

    /// Whoever may send takes back what is not delivered, whether histories are kept or not.
    @Test func withoutHistoriesMessagesAreTakenBack() async throws {
        try await Installation.with { belfry in
            let id = try await belfry.application.notify("bob")
            try await belfry.application.run("drop index belfry.message_log_history")
            let answer = try await HTTPAnswer.ask(
                "DELETE", "/api/v1/messages/\(id)", port: belfry.port, token: "shop")
            #expect(answer.status == 204)
            #expect(try await belfry.application.value("select status from belfry.message_log") == "cancelled")
            #expect(
                try await HTTPAnswer.ask("GET", "/api/v1/messages", port: belfry.port).detail
                    == "Histories are not kept here.")
        }
    }

    @Test func aSnoozedMessageGoesAndComesUnderAnotherID() async throws {
        try await Installation.with { belfry in
            let id = try await belfry.application.notify("alice")
            let until = Int(Date().timeIntervalSince1970 * 1_000) + 1_500
            let answer = try await HTTPAnswer.ask(
                "POST", "/api/v1/messages/\(id)/snooze", port: belfry.port, json: "{\"until\":\(until)}")
            let copy = try #require(answer.object["snoozedAs"] as? String)
            #expect(try await HTTPAnswer.ask("GET", "/api/v1/messages", port: belfry.port).messageIDs.isEmpty)
            try await eventually("it is back") {
                try await HTTPAnswer.ask("GET", "/api/v1/messages", port: belfry.port).messageIDs == [copy]
            }
        }
    }

    /// What one device does, the other hears of.
    @Test func otherDevicesAreTold() async throws {
        try await Installation.with { belfry in
            let client = try await belfry.connect("alice")
            try await client.subscribe("/user/queue/msg", receipt: "s")
            let id = try await belfry.application.notify("alice")
            _ = try await client.nextMessage()
            _ = try await HTTPAnswer.ask("POST", "/api/v1/viewed", port: belfry.port, json: "{\"ids\":[\(id)]}")
            let told = try await client.nextMessage()
            let body = try #require(
                try JSONSerialization.jsonObject(with: Data(buffer: told.body)) as? [String: Any])
            #expect(body["type"] as? String == "NOTIFY_VIEWED")
            #expect((body["data"] as? [String: Any])?["ids"] as? [String] == ["\(id)"])
        }
    }

    @Test func whatIsAsItWasIsNotSentAgain() async throws {
        try await Installation.with { belfry in
            try await belfry.application.notify("alice")
            for path in ["/api/v1/messages", "/api/v1/messages/1", "/api/v1/unread"] {
                let first = try await HTTPAnswer.ask("GET", path, port: belfry.port)
                let tag = try #require(first.headers["etag"])
                let again = try await HTTPAnswer.ask(
                    "GET", path, port: belfry.port, headers: ["If-None-Match": "\"x\", \(tag)"])
                #expect(again.status == 304 && again.body.isEmpty && again.headers["etag"] == tag, "\(path)")
            }
            let tag = try #require(
                try await HTTPAnswer.ask("GET", "/api/v1/unread", port: belfry.port).headers["etag"])
            try await belfry.application.notify("alice")
            let other = try await HTTPAnswer.ask(
                "GET", "/api/v1/unread", port: belfry.port, headers: ["If-None-Match": tag])
            #expect(other.status == 200 && other.counts == "2 2")
        }
    }

    @Test func earlierPagesReadByTheNumberOfThePage() async throws {
        try await Installation.with(configure: { $0.servesEarlierPages = true }) { belfry in
            for number in 1...5 { try await belfry.application.notify("alice", "\(number)") }
            let answer = try await HTTPAnswer.ask(
                "GET", "/api/notify/history?page_num=1&page_size=2", port: belfry.port, token: nil,
                headers: ["Authorization": "alice"])
            let content = (answer.object["data"] as? [String: Any])?["content"] as? [[String: Any]]
            #expect(content?.compactMap { $0["data"] as? Int } == [3, 2])
            #expect(
                try await HTTPAnswer.ask("GET", "/api/notify/history?page_num=99&page_size=99", port: belfry.port)
                    .problem == "400 invalid")
        }
        try await Installation.with { belfry in
            let answer = try await HTTPAnswer.ask("GET", "/api/notify/history", port: belfry.port)
            #expect(answer.problem == "404 notFound")
        }
    }

    @Test(arguments: [
        ("GET", "/api/v1/messages?limit=0", nil, "400 invalid", "limit is '0'; a page has 1 to 100 messages."),
        ("GET", "/api/v1/messages?limit=101", nil, "400 invalid", "limit is '101'; a page has 1 to 100 messages."),
        ("GET", "/api/v1/messages?befor=1", nil, "400 invalid", "There is no parameter 'befor'; there are before,"),
        ("GET", "/api/v1/messages?before=1&before=2", nil, "400 invalid", "The parameter 'before' is there twice."),
        ("GET", "/api/v1/messages?before=01", nil, "400 invalid", "before is '01'; it is a message's id"),
        ("GET", "/api/v1/messages?before=3&after=1", nil, "400 invalid", "A page of a history lies before a message"),
        ("GET", "/api/v1/messages?unviewed=yes", nil, "400 invalid", "unviewed is 'yes'; it is true or false."),
        ("GET", "/api/v1/messages/x", nil, "400 invalid", "'x' is no message's id: these are numbers from 1 to"),
        ("GET", "/api/v1/messages/9223372036854775808", nil, "400 invalid", "'9223372036854775808' is no message's id"),
        ("GET", "/api/v1/messages/9223372036854775807", nil, "404 notFound", "This user has no such message."),
        ("POST", "/api/v1/viewed", "{}", "400 invalid", "The body names either ids or upTo."),
        ("POST", "/api/v1/viewed", "[", "400 invalid", "The body is not as in"),
        ("POST", "/api/v1/viewed", #"{"ids":["a"]}"#, "400 invalid", "The body's member 'ids' is not as in"),
        ("POST", "/api/v1/seen", "{}", "400 invalid", "The body lacks upTo, as in"),
        ("POST", "/api/v1/messages/1/snooze", "{}", "400 invalid", "The body lacks until"),
        ("POST", "/api/v1/messages/1/snooze", #"{"until":1}"#, "400 invalid", "A message is snoozed until a time"),
        ("POST", "/api/v1/messages/7/snooze", #"{"until":4102444800000}"#, "400 invalid", "A message is snoozed until"),
        ("DELETE", "/api/v1/messages/7", nil, "404 notFound", "This user has no such message."),
        ("PATCH", "/api/v1/unread", nil, "405 methodNotAllowed", "PATCH is not for this path; GET, HEAD are."),
        ("GET", "/api/v2/unread", nil, "404 notFound", "There is nothing at '/api/v2/unread'; see /api/openapi.json."),
    ])
    func whatIsWrongIsSaid(
        _ method: String, _ path: String, _ json: String?, _ problem: String, _ detail: String
    ) async throws {
        try await Self.served { port in
            let answer = try await HTTPAnswer.ask(method, path, port: port, json: json)
            #expect(answer.problem == problem)
            #expect(answer.detail.hasPrefix(detail), "\(answer.detail)")
        }
    }

    private static func served(_ body: (Int) async throws -> Void) async throws {
        try await Installation.with { belfry in try await body(belfry.port) }
    }

    @Test(arguments: [
        ("messages?before=%zz", "'before=%zz' in the query is no percent-encoded text"),
        ("messages?type=%FF", "'type=%FF' in the query is no percent-encoded text"),
        ("messages?type=%00", "Type must be the name of a registered type"),
        ("messages/%FF", "'%FF' in the path is no"),
    ])
    func whatIsNoTextIsSaid(_ path: String, _ detail: String) async throws {
        try await Self.served { port in
            let answer = try await RawHTTP.exchange(
                port: port,
                "GET /api/v1/\(path) HTTP/1.1\r\nHost: localhost\r\nAuthorization: alice\r\nConnection: close\r\n\r\n")
            #expect(answer.hasPrefix("HTTP/1.1 400") && answer.contains(detail), "\(answer)")
        }
    }

    /// The 1,001st id, 64 KiB of body: nothing is half done.
    @Test func whatIsTooMuchIsRefusedWhole() async throws {
        try await Installation.with { belfry in
            try await belfry.application.notify("alice")
            let ids = (1...1_001).map { "\($0)" }.joined(separator: ",")
            let many = try await HTTPAnswer.ask("POST", "/api/v1/viewed", port: belfry.port, json: "{\"ids\":[\(ids)]}")
            #expect(many.problem == "400 invalid")
            #expect(many.detail.hasPrefix("At most 1000 ids go at once, but 1001 were given."))
            let large = try await HTTPAnswer.ask(
                "POST", "/api/v1/viewed", port: belfry.port,
                json: "{\"ids\":[1]\(String(repeating: " ", count: 70_000))}")
            #expect(large.problem == "413 tooLarge")
            #expect(try await HTTPAnswer.ask("GET", "/api/v1/unread", port: belfry.port).counts == "1 1")
        }
    }
}
