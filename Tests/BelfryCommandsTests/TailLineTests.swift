import BelfryClient
import Foundation
import Testing

@testable import BelfryCommands

struct TailLineTests {
    private func notification(_ json: String) throws -> BelfryClient.Notification {
        try JSONDecoder().decode(BelfryClient.Notification.self, from: Data(json.utf8))
    }

    @Test func aLineHasWhatAPersonLooksFor() throws {
        let viewed = try notification(
            #"{"id":"42","type":"A","receiver":"alice","data":{"b":1,"a":[true,null]},"viewed":true,"created":1000}"#)
        #expect(TailForm.text.line(viewed) == "1970-01-01T00:00:01.000Z\t42\tA\t{\"a\":[true,null],\"b\":1}\tviewed")
        let broadcast = try notification(
            #"{"id":"43","type":"A","receiver":null,"topic":"news","data":"x","viewed":false,"created":1500}"#)
        #expect(TailForm.text.line(broadcast) == "1970-01-01T00:00:01.500Z\t43\tA\t\"x\"\t/topic/news")
        #expect(
            TailForm.json.line(broadcast)
                == #"{"created":1500,"data":"x","id":"43","receiver":null,"topic":"news","type":"A","viewed":false}"#)
    }

    /// A history's are read and written again; PostgreSQL's numbers have as many digits as were sent.
    @Test func numbersStayAsTheyWereSent() throws {
        let data = #"[9007199254740993,12345678901234567890.1]"#
        let long = try notification(#"{"id":"1","type":"A","data":\#(data),"created":0}"#)
        #expect(TailForm.json.line(long).contains(#""data":\#(data)"#))
        #expect(TailForm.text.line(long).hasSuffix(data))
    }

    /// Data are the application's, and the terminal the operator's.
    @Test func nothingCommandsTheTerminal() throws {
        let evil = try notification(
            "{\"id\":\"1\",\"type\":\"A\",\"topic\":\"\u{9b}2J\",\"data\":\"\u{9b}31m\u{7f}\\u001b[2J\",\"created\":0}")
        let line = TailForm.text.line(evil)
        #expect(line.unicodeScalars.allSatisfy { $0 == "\t" || $0.properties.generalCategory != .control })
        #expect(line.contains(#"\u001b[2J"#) || line.contains(#"\u001B[2J"#), "\(line)")
    }

    @Test func theLatestIDsAreRemembered() {
        var ids = RecentIDs()
        let first = (0..<10_000).map { ids.insert("\($0)") }
        #expect(first.allSatisfy { $0 })
        let known = [ids.insert("0"), ids.insert("9999")]
        #expect(known == [false, false])
        // The oldest make room.
        let later = [ids.insert("10000"), ids.insert("0"), ids.insert("2")]
        #expect(later == [true, true, false])
    }
}
