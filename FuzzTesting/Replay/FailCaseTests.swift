import Foundation
import Testing

/// What fuzzers found once, and what they begin with. A case that fails ends the process: its name is printed before.
@Suite("Fail cases", .serialized)
struct FailCaseTests {
    private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()

    private static let bodies: [String: @Sendable (UnsafeRawBufferPointer) -> Void] = [
        "stomp": FuzzedSTOMP.run, "websocket": FuzzedWebSocket.run, "session": FuzzedSession.run,
        "sockjs": FuzzedSockJS.run,
    ]

    private static func cases(of target: String, in folder: String) throws -> [URL] {
        let folder = root.appendingPathComponent(folder).appendingPathComponent(target)
        guard FileManager.default.fileExists(atPath: folder.path) else { return [] }
        return try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
            .filter { !$0.lastPathComponent.hasPrefix(".") }
    }

    @Test("Nothing of it traps, and what must hold does", arguments: bodies.keys.sorted())
    func replay(_ target: String) throws {
        let body = try #require(Self.bodies[target])
        let seeds = try Self.cases(of: target, in: "Corpus")
        #expect(seeds.count > 10)
        for file in try Self.cases(of: target, in: "FailCases") + seeds {
            print("replays \(target)/\(file.lastPathComponent)")
            try Data(contentsOf: file).withUnsafeBytes(body)
        }
    }
}
