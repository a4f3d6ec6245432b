import BelfryClient
import Foundation
import Testing

struct JSONValueTests {
    private func decoded(_ json: String) throws -> JSONValue {
        try JSONDecoder().decode(JSONValue.self, from: Data(json.utf8))
    }

    @Test(
        arguments: [
            ("null", JSONValue.null), ("true", true), ("7", 7), ("-9223372036854775808", .integer(.min)),
            ("1.5", 1.5), ("1e300", .number(1e300)), ("18446744073709551615", .decimal(Decimal(UInt64.max))),
            ("1e20", .number(1e20)), ("0.1", 0.1),
            ("\"true\"", "true"), ("[1,[],{}]", [1, [], [:]]), (#"{"a":{"b":[null]}}"#, ["a": ["b": [nil]]]),
        ] as [(String, JSONValue)])
    func anyValueIsRead(json: String, value: JSONValue) throws {
        #expect(try decoded(json) == value)
        #expect(try decoded(value.description) == value)
    }

    /// PostgreSQL's numbers have as many digits as were written.
    @Test func longNumbersKeepTheirValue() throws {
        for text in ["12345678901234567890.1", "0.12345678901234567890123", "-99999999999999999999999999999999999999"] {
            #expect(try decoded(text).description == text)
        }
        #expect(try decoded("18446744073709551615").number == 18_446_744_073_709_551_615)
        #expect(try decoded("18446744073709551615").decode(UInt64.self) == .max)
        // Beyond what is exact it is as near as a `Double`.
        #expect(try decoded("1e200").number == 1e200)
    }

    @Test func partsAreReachedWithoutCeremony() throws {
        let value = try decoded(#"{"order":7,"lines":[{"sku":"a","price":1.5}],"gift":false}"#)
        #expect(value["order"].integer == 7 && value["order"].number == 7 && value["order"].string == nil)
        #expect(value["lines"][0]["sku"].string == "a" && value["lines"][0]["price"].number == 1.5)
        #expect(value["gift"].bool == false)
        #expect(value["none"] == nil && value["lines"][1] == nil && value["lines"][-1] == nil && value[0] == nil)
        #expect(value.description == #"{"gift":false,"lines":[{"price":1.5,"sku":"a"}],"order":7}"#)
    }

    @Test func typesOfTheProgramsComeAndGo() throws {
        struct Order: Codable, Equatable {
            let number: Int
            let placed: Date
            let note: String?
        }
        let order = Order(number: 7, placed: Date(timeIntervalSinceReferenceDate: 5), note: nil)
        #expect(try JSONValue(encoding: order).decode(Order.self) == order)
        #expect(throws: DecodingError.self) { try JSONValue.string("x").decode(Order.self) }
        // JSON knows no such number.
        #expect(throws: EncodingError.self) { try JSONValue(encoding: Double.nan) }
        #expect(JSONValue.number(.infinity).description == "null")
    }

    @Test func aNotificationGoesBackIntoTheFormThatItCameIn() throws {
        let json =
            #"{"created":1767225600123,"data":{"order":7},"id":"42","receiver":"alice","seen":true,"type":"A","#
            + #""viewed":true}"#
        let notification = try JSONDecoder().decode(BelfryClient.Notification.self, from: Data(json.utf8))
        #expect(notification.isViewed && notification.isSeen == true && notification.data["order"] == 7)
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        #expect(String(decoding: try encoder.encode(notification), as: UTF8.self) == json)
    }

    @Test func countsStandInTheMessagesThatTellOfThem() throws {
        func notification(_ data: String) throws -> BelfryClient.Notification {
            let json = #"{"id":"1","type":"NOTIFY_VIEWED","receiver":"a","data":\#(data),"created":1}"#
            return try JSONDecoder().decode(BelfryClient.Notification.self, from: Data(json.utf8))
        }
        let counts = BelfryClient.Counts(try notification(#"{"ids":["1"],"unviewed":3,"unseen":1000,"changes":9}"#))
        #expect(counts?.unviewed == 3 && counts?.unseen == 1_000 && counts?.changes == 9)
        #expect(BelfryClient.Counts(try notification(#"{"ids":["1"]}"#)) == nil)
    }
}
