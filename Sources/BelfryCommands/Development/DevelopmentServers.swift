import Foundation
import Logging
import Outbox
import Postgres
import PrivateServers

/// The private PostgreSQL and Redis of `belfry dev`, with a migrated database in it.
struct DevelopmentServers: Sendable {
    /// The database that everything is in.
    static let database = "belfry"
    /// An application's user, in the role belfry_writer only.
    static let applicationUser = "app"
    /// The user of Belfry's own processes, in the role belfry_service only.
    static let serviceUser = "belfry_dev"
    /// The user for `belfry status` and `belfry replay`.
    static let operatorUser = "operator"

    let postgres: PrivatePostgres
    let redis: PrivateRedis?

    /// Starts both at the same time and prepares the database.
    ///
    /// - Parameters:
    ///   - folder: holds the data of both; made when absent.
    ///   - isTemporary: whether the folder is deleted at the end: then nothing needs to survive a crash of the machine.
    static func start(in folder: URL, withRedis: Bool, isTemporary: Bool) async throws -> DevelopmentServers {
        let settings = isTemporary ? ["fsync": "off", "synchronous_commit": "off"] : [:]
        async let startedPostgres = startPostgres(in: folder, settings: settings)
        async let startedRedis = startRedis(withRedis, in: folder)
        let redis: PrivateRedis?
        do {
            redis = try await startedRedis
        } catch {
            await (try? startedPostgres)?.stop()
            throw error
        }
        let postgres: PrivatePostgres
        do {
            postgres = try await startedPostgres
        } catch {
            await redis?.stop()
            throw error
        }
        let servers = DevelopmentServers(postgres: postgres, redis: redis)
        do {
            try await servers.prepare()
        } catch {
            await servers.stop()
            throw error
        }
        return servers
    }

    /// Ends both.
    func stop() async {
        async let stopped: Void = postgres.stop()
        await redis?.stop()
        await stopped
    }

    /// The URL of the database for one of the users above.
    func url(user: String) -> String {
        "postgresql://\(user)@127.0.0.1:\(postgres.port)/\(Self.database)"
    }

    private static func startPostgres(in folder: URL, settings: [String: String]) async throws -> PrivatePostgres {
        let data = folder.appendingPathComponent("postgres")
        return try await onRememberedPort(folder.appendingPathComponent("postgres.port"), portOf: \.port) { port in
            try await PrivatePostgres.start(dataDirectory: data, port: port, settings: settings)
        }
    }

    private static func startRedis(_ isWanted: Bool, in folder: URL) async throws -> PrivateRedis? {
        guard isWanted else { return nil }
        let data = folder.appendingPathComponent("redis")
        return try await onRememberedPort(folder.appendingPathComponent("redis.port"), portOf: \.port) { port in
            try await PrivateRedis.start(dataDirectory: data, port: port)
        }
    }

    /// Starts a server on the port it had the last time, if that is free, so that a `psql` line stays good.
    private static func onRememberedPort<Server: Sendable>(
        _ file: URL, portOf: KeyPath<Server, Int> & Sendable, _ start: (Int?) async throws -> Server
    ) async throws -> Server {
        if let text = try? String(contentsOf: file, encoding: .utf8), let port = Int(text),
            let server = try? await start(port)
        {
            return server
        }
        let server = try await start(nil)
        try String(server[keyPath: portOf]).write(to: file, atomically: true, encoding: .utf8)
        return server
    }

    private func prepare() async throws {
        try await withConnection(postgres.url) { connection in
            let exists = try await connection.execute(
                PostgresStatement("", "select exists (select from pg_database where datname = $1)"),
                [.text(Self.database)])
            if !exists.bool(0, 0) { try await connection.run("create database \(Self.database)") }
        }
        let owner = postgres.url(database: Self.database)
        var logger = Logger(label: "belfry.migrator")
        logger.logLevel = .warning
        let migrator = Migrator(
            configuration: try PostgresConfiguration(url: owner, applicationName: "belfry dev"), logger: logger)
        _ = try await migrator.apply()
        try await withConnection(owner) { connection in
            let roles = [
                (Self.applicationUser, "belfry_writer"), (Self.serviceUser, "belfry_service"),
                (Self.operatorUser, "belfry_operator"),
            ]
            for (user, role) in roles {
                try await connection.run(
                    """
                    do $$ begin
                        if not exists (select from pg_roles where rolname = '\(user)') then
                            create role \(user) login in role \(role);
                        end if;
                    end $$
                    """)
            }
        }
    }

    private func withConnection(_ url: String, _ body: (PostgresConnection) async throws -> Void) async throws {
        let connection = try await PostgresConnection.connect(
            PostgresConfiguration(url: url, applicationName: "belfry dev"))
        do {
            try await body(connection)
        } catch {
            await connection.close()
            throw error
        }
        await connection.close()
    }
}
