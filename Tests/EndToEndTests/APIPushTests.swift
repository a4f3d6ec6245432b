import BelfryModel
import DatabaseSupport
import TestBasics
import TestSupport
import Testing

/// What applications send over HTTP.
@Suite struct APIPushTests {
    private static func push(
        _ json: String, to path: String = "/api/v1/messages", port: Int, headers: [String: String] = [:]
    ) async throws -> HTTPAnswer {
        try await HTTPAnswer.ask("POST", path, port: port, token: "shop", json: json, headers: headers)
    }

    private static func lines(
        _ lines: String, port: Int, headers: [String: String] = [:]
    ) async throws -> HTTPAnswer {
        try await push(lines, port: port, headers: headers.merging(["Content-Type": "application/x-ndjson"]) { $1 })
    }

    @Test func whatIsSentIsARowAndReachesItsReceiver() async throws {
        try await Installation.with { belfry in
            let alice = try await belfry.connect("alice")
            try await alice.subscribe("/user/queue/msg", receipt: "s")
            let answer = try await Self.push(
                """
                {"receiver":"alice","type":"JSON_MSG","data":{"n":12345678901234567890.10},
                 "headers":{"traceparent":"00-a"},"idempotencyKey":"k","expiresAt":"2100-01-01T00:00:00Z"}
                """, port: belfry.port)
            #expect(answer.status == 202 && answer.ids == ["1"])
            let message = try await alice.nextMessage()
            #expect(message.headers["message-id"] == "1" && message.headers["traceparent"] == "00-a")
            #expect(String(buffer: message.body).contains("12345678901234567890.10"), "no number is rounded")
            #expect(
                try await belfry.application.value(
                    "select idempotency_key || ' ' || extract(year from expires_at) from belfry.message_log")
                    == "http:shop:k 2100")
        }
    }

    @Test func severalAreOneTransaction() async throws {
        try await Installation.with { belfry in
            let good = #"{"receiver":"alice","data":1}"#
            let three = try await Self.push("[\(good),\(good),\(good)]", port: belfry.port)
            #expect(three.ids == ["1", "2", "3"])
            #expect(
                try await belfry.application.value("select count(distinct xid) from belfry.message_log") == "1")
            for bad in [
                #"{"receiver":"alice","data":1,"type":"NOBODY"}"#, #"{"receiver":"alice"}"#,
                #"{"receiver":"","data":1}"#, #"{"topic":"news","data":1}"#, #"{"receiver":"a","topic":"b","data":1}"#,
                #"{"receiver":"alice","data":1,"notBefore":"soon"}"#, #"{"receiver":"alice","data":1e999}"#,
                #"{"receiver":"alice","data":1,"headers":{"message-id":"7"}}"#,
                #"{"receiver":"alice","data":{"ids":[]},"type":"NOTIFY_DELETED"}"#,
                #"{"receiver":"alice","data":1,"headers":{"counted":"true"}}"#,
                #"{"receiver":"alice","data":1,"date":2}"#, #"{"receiver":"alice","data":"\ud800"}"#,
                #"{"receiver":"al\u0000ice","data":1}"#, #"{"receiver":"alice","data":"\u0000"}"#, "[]", "1", "",
            ] {
                let answer = try await Self.push("[\(good),\(bad)]", port: belfry.port)
                #expect(answer.problem == "400 invalid", "\(bad): \(answer.body)")
            }
            #expect(try await belfry.application.value("select count(*) from belfry.message_log") == "3")
            let many = Array(repeating: good, count: 1_001).joined(separator: ",")
            let refused = try await Self.push("[\(many)]", port: belfry.port)
            #expect(refused.detail == "There are 1001 messages; 1 to 1000 go at once.")
        }
    }

    @Test func whatWasSentUnderAKeyIsNotSentAgain() async throws {
        try await Installation.with { belfry in
            let port = belfry.port
            let key = ["Idempotency-Key": "order-7"]
            let message = #"{"receiver":"alice","data":{"a":1,"b":2}}"#
            #expect(try await Self.push(message, port: port, headers: key).ids == ["1"])
            let same = #" { "receiver":"alice", "data":{"b":2,"a":1} } "#
            #expect(try await Self.push(same, port: port, headers: key).ids == ["1"])
            for other in [#"{"receiver":"bob","data":{"a":1,"b":2}}"#, #"{"receiver":"alice","data":{"a":1}}"#] {
                #expect(try await Self.push(other, port: port, headers: key).problem == "422 conflict")
            }
            // A user of another token has keys of its own.
            let bob = try await HTTPAnswer.ask(
                "POST", "/api/v1/messages", port: port, token: "bob", json: message, headers: key)
            #expect(bob.status == 202 && bob.ids != ["1"])

            // Of several, half of which were sent: the others follow.
            let batch = { (count: Int) in
                "[" + (1...count).map { "{\"receiver\":\"alice\",\"data\":\($0)}" }.joined(separator: ",") + "]"
            }
            let first = try await Self.push(batch(2), port: port, headers: ["Idempotency-Key": "batch"])
            let again = try await Self.push(batch(4), port: port, headers: ["Idempotency-Key": "batch"])
            #expect(again.ids.count == 4 && again.ids.prefix(2) == first.ids[...])
            // One whose key stands for something else: nothing of it is written.
            let before = try await belfry.application.value("select count(*) from belfry.message_log")
            let mixed = try await Self.push(
                #"[{"receiver":"alice","data":"new","idempotencyKey":"fresh"},"#
                    + #"{"receiver":"alice","data":"x","idempotencyKey":"order-7"}]"#,
                port: port)
            #expect(mixed.problem == "422 conflict" && mixed.detail.hasPrefix("Message 2's idempotency key"))
            #expect(try await belfry.application.value("select count(*) from belfry.message_log") == before)
            let twice = try await Self.push(
                #"[{"receiver":"a","data":1,"idempotencyKey":"z"},{"receiver":"a","data":1,"idempotencyKey":"z"}]"#,
                port: port)
            #expect(twice.detail == "Message 2: another message has the same idempotency key.")
        }
    }

    /// A program that sends the same at the same time, as one does that gave up waiting too soon.
    @Test func manyAtOnceUnderOneKeyAreOneMessage() async throws {
        try await Installation.with { belfry in
            let answers = try await withThrowingTaskGroup(of: HTTPAnswer.self) { group in
                for _ in 0..<12 {
                    group.addTask {
                        try await Self.push(
                            #"{"receiver":"alice","data":1,"idempotencyKey":"k"}"#, port: belfry.port)
                    }
                }
                return try await group.reduce(into: [HTTPAnswer]()) { $0.append($1) }
            }
            #expect(Set(answers.map(\.status)) == [202])
            #expect(Set(answers.map(\.ids)) == [["1"]] || Set(answers.map(\.ids)).count == 1)
            #expect(try await belfry.application.value("select count(*) from belfry.message_log") == "1")
        }
    }

    /// An application that holds the key in an open transaction holds up its own request, for two seconds, and no
    /// other.
    @Test func aKeyThatATransactionHoldsIsTriedAgain() async throws {
        try await Installation.with { belfry in
            let writer = try await Application.connect(belfry.databaseURL)
            let insert = """
                begin; insert into belfry.message_log (receiver, type, data, idempotency_key)
                values ('alice', 'JSON_MSG', '1', 'http:shop:held')
                """
            try await writer.run(insert)
            let message = #"{"receiver":"alice","data":1,"idempotencyKey":"held"}"#
            async let held = Self.push(message, port: belfry.port)
            let other = try await Self.push(#"{"receiver":"alice","data":2}"#, port: belfry.port)
            #expect(other.status == 202)
            #expect(try await held.problem == "503 unavailable")
            async let waiting = Self.push(message, port: belfry.port)
            try await writer.run("commit")
            #expect(try await waiting.status == 202)
            await writer.close()
        }
    }

    /// A key that is used between the look at it and the insert: nothing of the array is written.
    @Test func anArrayIsWrittenWholeOrNotAtAll() async throws {
        try await Installation.with { belfry in
            let writer = try await Application.connect(belfry.databaseURL)
            try await writer.run(
                """
                begin; insert into belfry.message_log (receiver, type, data, idempotency_key)
                values ('alice', 'JSON_MSG', '"other"', 'http:shop:k')
                """)
            async let pushed = Self.push(
                #"[{"receiver":"alice","data":1,"idempotencyKey":"k"},{"receiver":"alice","data":2}]"#,
                port: belfry.port)
            try await Task.sleep(for: .milliseconds(300))
            try await writer.run("commit")
            #expect(try await pushed.problem == "422 conflict")
            #expect(try await belfry.application.value("select count(*) from belfry.message_log") == "1")
            await writer.close()
        }
    }

    @Test(arguments: [
        #"{"receiver":"a","data":1},{"receiver":"b","data":2}"#, "{\"receiver\":\"a\"\n,\"data\":[1\n,2]}",
    ])
    func aLineIsAnObject(_ body: String) async throws {
        try await Installation.with { belfry in
            let lines = try await Self.lines(body, port: belfry.port)
            #expect(lines.problem == "400 invalid")
            let count = try await belfry.application.value("select count(*) from belfry.message_log")
            #expect(count == "0")
        }
    }

    /// A colon in a user's id makes no other user's key of theirs.
    @Test func keysOfTwoUsersAreTwo() async throws {
        try await Installation.with { belfry in
            for (user, key) in [("a", "b:c"), ("a:b", "c")] {
                let answer = try await HTTPAnswer.ask(
                    "POST", "/api/v1/messages", port: belfry.port, token: user,
                    json: "{\"receiver\":\"x\",\"data\":1,\"idempotencyKey\":\"\(key)\"}")
                #expect(answer.status == 202)
            }
            #expect(try await belfry.application.value("select count(*) from belfry.message_log") == "2")
        }
    }

    @Test func linesAreWrittenAsTheyCome() async throws {
        try await Installation.with { belfry in
            let lines = (1...1_234).map { "{\"receiver\":\"alice\",\"data\":\($0)}\n" }.joined()
            let answer = try await Self.lines(lines, port: belfry.port)
            #expect(answer.status == 202 && answer.ids.count == 1_234)
            #expect(
                try await belfry.application.column("select data from belfry.message_log order by id")
                    == (1...1_234).map(String.init))
            #expect(try await belfry.application.value("select count(distinct xid) from belfry.message_log") == "3")
            // No line feed at the end, a blank line between.
            #expect(
                try await Self.lines(
                    "{\"receiver\":\"a\",\"data\":1}\r\n\n{\"receiver\":\"a\",\"data\":2}", port: belfry.port
                )
                .ids.count == 2)
            #expect(try await Self.lines("", port: belfry.port).ids.isEmpty)
        }
    }

    @Test func ofLinesTheAnswerSaysHowFarTheyWereTaken() async throws {
        try await Installation.with { belfry in
            let good = (1...700).map { "{\"receiver\":\"alice\",\"data\":\($0)}\n" }.joined()
            let key = ["Idempotency-Key": "import"]
            let answer = try await Self.lines(good + "{\"receiver\":\"alice\"}\n", port: belfry.port, headers: key)
            #expect(answer.problem == "400 invalid" && answer.object["accepted"] as? Int == 500)
            #expect(answer.ids.count == 500)
            #expect(try await belfry.application.value("select count(*) from belfry.message_log") == "500")
            let again = try await Self.lines(good, port: belfry.port, headers: key)
            #expect(again.ids.count == 700 && again.ids.prefix(500) == answer.ids[...])
            #expect(try await belfry.application.value("select count(*) from belfry.message_log") == "700")
            // A line behind the first batch that is another now: its number is that of the line.
            let changed = good.replacing("\"data\":612}", with: "\"data\":-1}")
            let refused = try await Self.lines(changed, port: belfry.port, headers: key)
            #expect(refused.problem == "422 conflict" && refused.detail.hasPrefix("Message 612's idempotency key"))
        }
    }

    @Test func broadcastsGoToTopics() async throws {
        try await Installation.with { belfry in
            let alice = try await belfry.connect("alice")
            try await alice.subscribe("/topic/news", receipt: "s")
            let answer = try await Self.push(
                #"{"topic":"news","data":"hello"}"#, to: "/api/v1/broadcasts", port: belfry.port)
            #expect(answer.status == 202)
            #expect(try await alice.nextMessage().headers["destination"] == "/topic/news")
            let user = try await Self.push(
                #"{"receiver":"alice","data":1}"#, to: "/api/v1/broadcasts", port: belfry.port)
            #expect(user.detail == "A broadcast has a topic, and no receiver.")
        }
    }

    @Test func onlyJSONOfABoundedSizeIsTaken() async throws {
        var limits = Limits()
        limits.requestBodyBytesMax = 65_536
        try await Installation.with(limits: limits) { belfry in
            let form = try await Self.push(
                "{}", port: belfry.port, headers: ["Content-Type": "text/plain"])
            #expect(form.problem == "415 unsupportedMediaType")
            for type in ["application/json", "application/x-ndjson"] {
                let compressed = try await Self.push(
                    "{}", port: belfry.port, headers: ["Content-Type": type, "Content-Encoding": "gzip"])
                #expect(compressed.problem == "415 unsupportedMediaType")
                #expect(compressed.detail == "Send the body as it is, without Content-Encoding.")
            }
            let plain = try await Self.push(
                #"{"receiver":"a","data":1}"#, port: belfry.port, headers: ["Content-Encoding": "identity"])
            #expect(plain.status == 202)
            let large = "{\"receiver\":\"a\",\"data\":\"\(String(repeating: "x", count: 65_536))\"}"
            #expect(try await Self.push(large, port: belfry.port).problem == "413 tooLarge")
            #expect(try await Self.lines(large, port: belfry.port).problem == "413 tooLarge")
            // Without a Content-Length it is noticed while it comes.
            let chunk = String(repeating: " ", count: 16_384)
            let chunks = String(repeating: "4000\r\n\(chunk)\r\n", count: 5)
            let chunked = try await RawHTTP.exchange(
                port: belfry.port,
                "POST /api/v1/messages HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer shop\r\n"
                    + "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n\(chunks)")
            #expect(chunked.hasPrefix("HTTP/1.1 413"))
        }
    }
}
