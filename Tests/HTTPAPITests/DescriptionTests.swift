import Authentication
import BelfryModel
import Commands
import Foundation
import HTTPServer
import Hummingbird
import Logging
import Outbox
import Postgres
import Testing

@testable import HTTPAPI

/// `/api/openapi.json` says what is served, and docs/api.md what it says.
@Suite struct DescriptionTests {
    private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    /// Those that any operation answers.
    private static let statuses: Set = ["200", "202", "204", "304", "404", "413", "415", "422"]

    private static func described() throws -> [String: [String: Any]] {
        let file = root.appendingPathComponent("Sources/HTTPAPI/Description/openapi.json")
        let object = try JSONSerialization.jsonObject(with: Data(contentsOf: file))
        let paths = try #require((object as? [String: Any])?["paths"] as? [String: [String: Any]])
        let methods: Set = ["get", "post", "put", "patch", "delete"]
        var described: [String: [String: Any]] = [:]
        for (path, operations) in paths {
            for (method, operation) in operations where methods.contains(method) {
                described["\(method.uppercased()) \(path)"] = try #require(operation as? [String: Any])
            }
        }
        return described
    }

    @Test func itNamesEveryRouteAndNoOther() throws {
        let client = PostgresClient(
            configuration: try PostgresConfiguration(url: "postgresql://nobody@127.0.0.1:1/none", applicationName: "t"),
            size: 1)
        let store = PushStore(executor: client)
        let sessions = OperateSessions(store: SessionStore(executor: client))
        let jobs = OperateReplayJobs(store: ReplayJobStore(executor: client, isPatient: false))
        let audit = ReadAudit(store: AuditStore(executor: client))
        let api = API(
            services: API.Services(
                inbox: Inbox(store: InboxStore(executor: client)), push: PushMessages(store: store),
                cancel: CancelMessage(store: store),
                sessions: sessions, replayJobs: jobs, audit: audit,
                views: OperatorViews(
                    executor: client, sessions: sessions, jobs: jobs, audit: audit, insight: .none),
                acts: OperatorActs(executor: client)),
            authenticator: DevelopmentAuthenticator(), isRefused: { _ in false }, limits: Limits(),
            servesEarlierPages: true,
            logger: Logger(label: "test"))
        let served = api.routes.map { "\($0.method.rawValue) \($0.path)" }
        #expect(Set(served) == Set(try Self.described().keys))
        #expect(Set(served).count == served.count)
        // Of two routes that may match one path a router would choose by itself: it says so.
        let router = Router(context: NodeRequestContext.self, options: .autoGenerateHeadEndpoints)
        api.add(to: router, servesConsole: true)
        _ = router.buildResponder()
    }

    /// What a parameter's value is never decides which path is meant: a type may be named as it likes.
    @Test func noTwoPathsAreOne() throws {
        let paths = Set(try Self.described().keys.map { $0.drop { $0 != "/" } }).sorted()
            .map { $0.split(separator: "/") }
        for (index, one) in paths.enumerated() {
            for other in paths[(index + 1)...] where one.count == other.count {
                let differ = zip(one, other).contains { $0 != $1 && !$0.hasPrefix("{") && !$1.hasPrefix("{") }
                #expect(differ, "\(one.joined(separator: "/")) and \(other.joined(separator: "/"))")
            }
        }
    }

    @Test func theDocumentationHasEveryOperationWithItsAnswers() throws {
        let text = try String(contentsOf: Self.root.appendingPathComponent("docs/api.md"), encoding: .utf8)
        let sections = text.components(separatedBy: "\n### ").dropFirst()
        var documented: [String: Set<String>] = [:]
        for section in sections {
            let title = section.prefix { $0 != "\n" }.trimmingCharacters(in: ["`"])
            let numbers = section.matches(of: #/\b\d{3}\b/#).map { String($0.0) }
            documented[title] = Set(numbers).intersection(Self.statuses)
        }
        let described = try Self.described()
        #expect(Set(documented.keys) == Set(described.keys))
        // What every operation may answer is told once.
        let everywhere: Set = ["400", "401", "403", "429", "503"]
        for (operation, description) in described {
            let statuses = try #require(description["responses"] as? [String: Any]).keys
            #expect(documented[operation] == Set(statuses).subtracting(everywhere), "\(operation)")
        }
    }
}
