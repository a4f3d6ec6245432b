import Postgres
import Testing

/// Connection strings, and what is said of them.
struct ConfigurationTests {
    @Test(arguments: [
        ("postgresql://ann:hush@db.example:6432/shop", "postgresql://ann@db.example:6432/shop"),
        ("postgres://ann:hush@db.example/shop", "postgresql://ann@db.example:5432/shop"),
        ("postgresql://ann@db.example/shop?password=hush&sslmode=prefer", "postgresql://ann@db.example:5432/shop"),
        ("host=db.example user=ann password=hush dbname=shop", "postgresql://ann@db.example:5432/shop"),
        ("host=db.example user=ann password='hu sh' dbname=shop", "postgresql://ann@db.example:5432/shop"),
        ("postgresql://ann:hush@one:1,two:2/shop", "postgresql://ann@one:1,two:2/shop"),
        ("postgresql://ann:hu%2Fsh@[::1]:5/shop", "postgresql://ann@::1:5/shop"),
    ])
    func redacts(url: String, shown: String) throws {
        let configuration = try PostgresConfiguration(url: url, applicationName: "test")
        #expect(configuration.redactedDescription == shown)
        var dumped = ""
        dump(configuration, to: &dumped)
        for text in ["\(configuration)", String(reflecting: configuration), dumped] {
            #expect(!text.contains("hu"))
        }
    }

    @Test(arguments: [
        "postgresql://ann:hush@host:port:1/db", "postgresql://ann:hu%zzsh@host/db", "mysql://ann:hush@host/db",
        "host=a password=hush hush", "postgresql://ann:hush@host/db?nonsense=1", "hush", "host=a hush=1",
        "postgresql://ann:hush@host/db?belfry_prepare=maybe", "postgresql://ann:hush/hush@host/db",
        "postgresql://ann:12/hush@host/db", "postgresql://ann:hush@[host/db", "a\0hush",
    ])
    func refusesWithoutTellingThePassword(url: String) throws {
        let error = try #require(
            #expect(throws: PostgresError.self) { try PostgresConfiguration(url: url, applicationName: "test") })
        #expect(error.code == .invalidConfiguration)
        #expect(!"\(error)".contains("hush"))
        #expect(!error.isTransient)
    }

    @Test func anUnknownOptionIsNamed() throws {
        let error = try #require(
            #expect(throws: PostgresError.self) {
                try PostgresConfiguration(url: "postgresql://ann:hush@host/db?nonsense=1", applicationName: "test")
            })
        #expect(error.message.contains("\"nonsense\""))
    }

    @Test(arguments: [
        "?belfry_prepare=off", "?sslmode=prefer&belfry_prepare=off", "?belfry_prepare=off&sslmode=prefer",
    ])
    func belfryPrepareIsTakenOut(query: String) throws {
        let configuration = try PostgresConfiguration(url: "postgresql://ann@host/db\(query)", applicationName: "test")
        #expect(!configuration.preparesStatements)
        #expect(configuration.redactedDescription == "postgresql://ann@host:5432/db")
        let words = try PostgresConfiguration(
            url: "host=h belfry_prepare=off dbname=d user=u", applicationName: "test")
        #expect(!words.preparesStatements)
        #expect(words.redactedDescription == "postgresql://u@h:5432/d")
    }

    @Test func applicationNameIsShownUnlessTheURLNamesAnother() async throws {
        let url = try await TestServer.shared.value.url
        for (suffix, name) in [("", "mine"), ("?application_name=theirs", "theirs")] {
            let connection = try await PostgresConnection.connect(
                try PostgresConfiguration(url: url + suffix, applicationName: "mine"))
            let result = try await connection.execute(
                PostgresStatement("", "select current_setting('application_name')"))
            #expect(result.string(0, 0) == name)
        }
    }

    @Test func aPasswordWithSignsWorks() async throws {
        let port = try await TestServer.shared.value.port
        let url = "postgresql://\(TestServer.passwordRole):s3cret%2Fwith%40signs@127.0.0.1:\(port)/postgres"
        let connection = try await PostgresConnection.connect(
            try PostgresConfiguration(url: url, applicationName: "test"))
        let result = try await connection.execute(PostgresStatement("", "select current_user"))
        #expect(result.string(0, 0) == TestServer.passwordRole)
    }

    @Test func aWrongPasswordNamesWhatWasTriedAndNotTheSecret() async throws {
        let port = try await TestServer.shared.value.port
        let error = try await connectError("postgresql://needs_password:wr0ng@127.0.0.1:\(port)/postgres")
        #expect(error.message.contains("postgresql://needs_password@127.0.0.1:\(port)/postgres"))
        #expect(error.message.contains("password authentication failed for user \"needs_password\""))
        #expect(!error.message.contains("wr0ng"))
    }

    @Test func aWrongDatabaseIsNamed() async throws {
        let port = try await TestServer.shared.value.port
        let error = try await connectError("postgresql://postgres:wr0ng@127.0.0.1:\(port)/nowhere")
        #expect(error.message.contains("database \"nowhere\" does not exist"))
        #expect(!error.message.contains("wr0ng"))
    }

    @Test func aWrongPortIsNamed() async throws {
        let error = try await connectError("postgresql://postgres:wr0ng@127.0.0.1:1/postgres")
        #expect(error.message.contains("postgresql://postgres@127.0.0.1:1/postgres"))
        #expect(error.message.contains("Connection refused"))
        #expect(!error.message.contains("wr0ng"))
        #expect(!error.message.contains("\n"))
    }

    /// The second of two hosts is taken when the first refuses.
    @Test func severalHosts() async throws {
        let port = try await TestServer.shared.value.port
        let connection = try await PostgresConnection.connect(
            try PostgresConfiguration(
                url: "postgresql://postgres@127.0.0.1:1,127.0.0.1:\(port)/postgres", applicationName: "test"))
        #expect(!connection.isClosed)
    }

    private func connectError(_ url: String) async throws -> PostgresError {
        let configuration = try PostgresConfiguration(url: url, applicationName: "test")
        let error = try await postgresError { _ = try await PostgresConnection.connect(configuration) }
        #expect(error.code == .connection)
        #expect(error.isTransient)
        return error
    }
}
