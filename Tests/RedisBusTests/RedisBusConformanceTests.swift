import BelfryModel
import BusConformance
import NIOCore
import Testing

@testable import RedisBus

struct RedisBusConformanceTests {
    @Test(arguments: BusCheck.all)
    func conforms(check: BusCheck) async throws {
        try await RedisTestServer.run { server in
            try await check.run(on: server.underTest(patient: true))
        }
    }

    @Test func keyPrefixesKeepTwoInstallationsApart() async throws {
        try await RedisTestServer.run { server in
            let blue = try await server.underTest(keyPrefix: "blue:")
            let green = try await server.underTest(keyPrefix: "green:")
            let blueListener = blue.listener()
            let greenListener = green.listener()
            try await blueListener.subscribe(.user("alice"))
            try await greenListener.subscribe(.user("alice"))
            try await blue.publish(["blue"], to: .user("alice"))
            try await green.publish(["green"], to: .user("alice"))
            try await blueListener.waitForMessages(1, for: .user("alice"))
            try await greenListener.waitForMessages(1, for: .user("alice"))
            #expect(blueListener.texts(for: .user("alice")) == ["blue"])
            #expect(greenListener.texts(for: .user("alice")) == ["green"])
        }
    }

    @Test func channelsAreNamedAsDocumented() async throws {
        try await RedisTestServer.run { server in
            let underTest = try await server.underTest(keyPrefix: "belfry:")
            let listener = underTest.listener()
            try await listener.subscribe(.user("alice"), .topic("news"))
            let channels = try server.cli("PUBSUB", "CHANNELS").split(whereSeparator: \.isNewline).sorted()
            #expect(channels == ["belfry:t:news", "belfry:u:alice"])
            try server.cli("PUBLISH", "belfry:u:alice", "from elsewhere")
            try await listener.waitForMessages(1, for: .user("alice"))
            #expect(listener.texts(for: .user("alice")) == ["from elsewhere"])
            let clients = try server.cli("CLIENT", "LIST")
            #expect(clients.contains("name=belfry-publisher") && clients.contains("name=belfry-subscriber"))
        }
    }

    @Test func subscribersOfManyAddressesSendFewCommands() async throws {
        try await RedisTestServer.run { server in
            let listener = try await server.underTest().listener()
            try await listener.subscribe(all: (0..<2_500).map { .user("\($0)") })
            let statistics = try server.cli("INFO", "commandstats")
            let line = statistics.split(whereSeparator: \.isNewline).first { $0.hasPrefix("cmdstat_subscribe:") }
            #expect(line?.hasPrefix("cmdstat_subscribe:calls=3,") == true, "\(line ?? "")")
        }
    }
}
