import Foundation
import Testing

@testable import Gateway

@Suite struct SessionIDTests {
    @Test func anIDIsARandomUUIDInLowerCase() {
        let ids = (0..<1_000).map { _ in SessionID.make() }
        #expect(Set(ids).count == ids.count)
        for id in ids {
            #expect(UUID(uuidString: id)?.uuidString.lowercased() == id)
            #expect(Array(id)[14] == "4")
            #expect("89ab".contains(Array(id)[19]))
        }
    }
}
