import Foundation
import Testing

@testable import Node

@Suite struct SessionIDTests {
    @Test func anIDIsARandomUUIDInLowerCase() {
        let ids = (0..<1_000).map { _ in SessionID(worker: 3).description }
        #expect(Set(ids).count == ids.count)
        for id in ids {
            #expect(UUID(uuidString: id)?.uuidString.lowercased() == id)
            #expect(Array(id)[14] == "8", "RFC 9562, version 8")
            #expect("89ab".contains(Array(id)[19]))
        }
    }

    @Test(arguments: [0, 1, 255, 256, 65_535]) func itNamesItsWorker(_ worker: Int) {
        let id = SessionID(worker: worker)
        #expect(id.worker == worker)
        #expect(SessionID(id.description) == id)
    }

    @Test(
        arguments: [
            "", "x", "00000000-0000-4000-8000-000000000000", "00000000-0000-8000-c000-000000000000",
            "0000000000008000800000000000000000", "00000000-0000-8000-8000-00000000000g",
        ])
    func otherTextIsNone(_ text: String) {
        #expect(SessionID(text) == nil)
    }
}
