import Testing

@testable import Node

@Suite("Occupancy")
struct OccupancyTests {
    @Test("A full node takes no more, and a place given back is free")
    func node() {
        let occupancy = Occupancy(sessionsMax: 2)
        #expect(occupancy.enter())
        #expect(occupancy.enter())
        #expect(!occupancy.enter())
        #expect(occupancy.sessions == 2)
        occupancy.leave()
        #expect(occupancy.sessions == 1)
        #expect(occupancy.enter())
    }

    @Test("Each user has places of their own")
    func users() {
        let occupancy = Occupancy(sessionsMax: 100)
        #expect(occupancy.enter(user: "alice", atMost: 2))
        #expect(occupancy.enter(user: "alice", atMost: 2))
        #expect(!occupancy.enter(user: "alice", atMost: 2))
        #expect(occupancy.enter(user: "bob", atMost: 2))
        occupancy.leave(user: "alice")
        #expect(occupancy.enter(user: "alice", atMost: 2))
        #expect(!occupancy.enter(user: "alice", atMost: 2))
    }

    @Test("Many event loops at once")
    func concurrent() async {
        let occupancy = Occupancy(sessionsMax: 1_000)
        let entered = await withTaskGroup(of: Int.self) { group in
            for _ in 0..<8 {
                group.addTask { (0..<500).count { _ in occupancy.enter() } }
            }
            return await group.reduce(0, +)
        }
        #expect(entered == 1_000)
        #expect(occupancy.sessions == 1_000)
    }
}
