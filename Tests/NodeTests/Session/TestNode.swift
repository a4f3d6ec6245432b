import DatabaseSupport
import Authentication
import BelfryModel
import Bus
import Commands
import Logging
import MessageTrace
import NIOCore
import NIOEmbedded
import Outbox
import Postgres
import Testing
import WebSocket
import WebSocketSupport

@testable import Node

/// One worker on an event loop whose time the test moves, with a real memory bus.
///
/// Without a database URL its store never has a connection: enough for all that happens before the first message of a
/// user, and for topics.
final class TestNode: Sendable {
    let loop = NIOAsyncTestingEventLoop()
    let bus = MemoryBus()
    let workers: Workers
    let worker: Worker
    let context: NodeContext
    let postgres: PostgresClient
    /// Whose messages it takes.
    let origin: Envelope.Origin

    init(
        limits: Limits = Limits(), databaseURL: String? = nil, commands: [any AppCommand] = [],
        authenticator: any Authenticator = DevelopmentAuthenticator(),
        nodeID: String = "00000000-0000-0000-0000-000000000001", trace: TraceRecorder = .off
    )
        async throws
    {
        let url = databaseURL ?? "postgresql://nobody@127.0.0.1:1/nothing"
        postgres = PostgresClient(
            configuration: try PostgresConfiguration(url: url, applicationName: "belfry-test"), size: 2)
        if databaseURL != nil { postgres.start() }
        var installation = InstallationIdentity(id: UniqueID(high: 1, low: 2), incarnation: UniqueID(high: 3, low: 4))
        if databaseURL != nil { installation = try await InstallationIdentity.read(postgres) }
        origin = Envelope.Origin(installation: installation.id, incarnation: installation.incarnation, term: 1)
        var logger = Logger(label: "belfry.test")
        logger.logLevel = .critical
        context = NodeContext(
            store: NodeStore(client: postgres, nodeID: nodeID), bus: bus, authenticator: authenticator,
            commands: CommandTable(commands), limits: limits, version: "test", installation: installation,
            logger: logger, trace: trace)
        let loop = loop
        let workers = try await loop.executeInContext { [context] in
            Workers(EventLoopIterator([loop]), context: context)
        }
        self.workers = workers
        worker = try workers.worker(of: NIOAsyncTestingChannel(loop: loop))
        let worker = worker
        try await loop.executeInContext { worker.start() }
    }

    /// A client that has connected its WebSocket and said nothing yet.
    func connect(by connection: ClientConnection = ClientConnection(transport: "websocket")) async throws -> TestClient
    {
        let worker = worker
        let dam = WriteDam()
        let channel = try await NIOAsyncTestingChannel(loop: loop) { channel in
            try channel.pipeline.syncOperations.addHandlers([
                dam, WebSocketHandler(worker: worker, connection: connection, limits: worker.context.limits),
            ])
        }
        try await channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1))
        return TestClient(node: self, channel: channel, dam: dam)
    }

    /// A client whose CONNECT was answered.
    func connect(
        as user: String, heartBeat: String = "0,0",
        by connection: ClientConnection = ClientConnection(transport: "websocket")
    ) async throws -> TestClient {
        let client = try await connect(by: connection)
        try await client.send("CONNECT\naccept-version:1.2\nheart-beat:\(heartBeat)\ntoken:\(user)\n\n\0")
        _ = try await client.frame(.connected)
        return client
    }

    /// Lets every session see that it is `later`, as the worker's timer does.
    func tick(_ later: TimeAmount) async throws {
        let worker = worker
        try await loop.executeInContext {
            let now = NIODeadline.now() + later
            for session in worker.sessions.all { session.tick(at: now) }
            worker.flushQueue.flush()
        }
    }

    /// The event loop's timer comes `later`: what is remembered ages, and what is due is done.
    func timePasses(_ later: TimeAmount) async throws {
        let worker = worker
        try await loop.executeInContext { worker.tick(at: .now() + later) }
    }

    /// Beats in `belfry.node` while `body` runs, as a node does from its start to its end.
    func withHeartBeats(_ body: () async throws -> Void) async throws {
        let registration = NodeRegistration(context: context, listen: "test", workers: workers)
        let beating = Task { await registration.run() }
        do {
            try await body()
        } catch {
            beating.cancel()
            await beating.value
            throw error
        }
        beating.cancel()
        await beating.value
    }

    /// The bus goes away, and what the client sends is dealt with before the node hears of it.
    func loseBus(while client: TestClient, sends text: String) async throws {
        let (bus, channel) = (bus, client.channel)
        let bytes = ClientFrames.frame(.text, Array(text.utf8))
        try await loop.executeInContext {
            bus.disconnect()
            channel.pipeline.syncOperations.fireChannelRead(NIOAny(ByteBuffer(bytes: bytes)))
            channel.pipeline.syncOperations.fireChannelReadComplete()
        }
    }

    /// Waits until messages to an address flow to the node's sessions.
    func isOpen(_ address: Address) async throws {
        let worker = worker
        _ = try await eventually("messages to \(address) flow") {
            try await loop.executeInContext { worker.feed.audience(at: address)?.isOpen == true ? true : nil }
        }
    }

    /// Waits until all who are subscribed to an address are through with their backlogs.
    func isLive(_ address: Address) async throws {
        let worker = worker
        _ = try await eventually("\(address) is live") {
            try await loop.executeInContext {
                worker.feed.audience(at: address)?.consumers.allSatisfy(\.isLive) == true ? true : nil
            }
        }
    }

    func sessions() async throws -> Int {
        let worker = worker
        return try await loop.executeInContext { worker.sessions.count }
    }

    /// Publishes as a relay would.
    ///
    /// - Parameters:
    ///   - createdAt: microseconds; the id when not given.
    ///   - expiresAt: milliseconds since 1970.
    func publish(
        _ id: Int64, to address: Address, xid: UInt64 = 1, createdAt: Int64? = nil, expiresAt: Int64? = nil,
        from origin: Envelope.Origin? = nil, body: [UInt8] = Array("{}".utf8), headerLines: String = ""
    ) async throws {
        var envelope = ByteBuffer()
        Array(headerLines.utf8).withUnsafeBytes { headerLines in
            body.withUnsafeBytes { body in
                Envelope.encode(
                    origin: origin ?? self.origin, id: MessageID(rawValue: id), xid: xid,
                    createdAtMicroseconds: createdAt ?? id, expiresAtMilliseconds: expiresAt,
                    headerLines: headerLines, body: body, into: &envelope)
            }
        }
        try await bus.publish([BusPublication(address: address, envelope: envelope)])
    }

    /// Publishes a row of the outbox as the relay would.
    func publish(row id: Int64, of user: String, in database: Application) async throws {
        try await publish(
            id, to: .user(user), xid: try await database.xid(id), createdAt: try await database.createdAt(id))
    }

    /// Waits until `condition` gives a value; the loop's time goes on by some milliseconds at each look.
    func eventually<Value>(
        _ what: String, within limit: Duration = .seconds(15), _ condition: () async throws -> Value?
    ) async throws -> Value {
        let deadline = ContinuousClock.now + limit
        while true {
            await loop.advanceTime(by: .milliseconds(2))
            if let value = try await condition() { return value }
            try #require(ContinuousClock.now < deadline, "not within \(limit): \(what)")
            try await Task.sleep(for: .milliseconds(2))
        }
    }

    func stop() async {
        let worker = worker
        _ = try? await loop.executeInContext { worker.stop() }
        await loop.advanceTime(by: .seconds(6))
        await postgres.close()
    }

    /// Runs `body` with a node and stops it.
    static func with(
        limits: Limits = Limits(), databaseURL: String? = nil, commands: [any AppCommand] = [],
        authenticator: any Authenticator = DevelopmentAuthenticator(),
        _ body: (TestNode) async throws -> Void
    ) async throws {
        let node = try await TestNode(
            limits: limits, databaseURL: databaseURL, commands: commands, authenticator: authenticator)
        do {
            try await body(node)
        } catch {
            await node.stop()
            throw error
        }
        await node.stop()
    }

    /// Runs `body` with a node on a database of its own, and an application's connection to it.
    static func withDatabase(
        limits: Limits = Limits(), _ body: (TestNode, Application) async throws -> Void
    ) async throws {
        let url = try await TestServer.makeDatabase().url
        let database = try await Application.connect(url)
        try await with(limits: limits, databaseURL: url) { node in try await body(node, database) }
        await database.connection.close()
    }
}

/// Keeps what is written from leaving, like the socket of a peer that does not read. Used on its event loop only.
final class WriteDam: ChannelOutboundHandler, @unchecked Sendable {
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private var isClosed = false
    private var context: ChannelHandlerContext?

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }
    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func flush(context: ChannelHandlerContext) {
        if !isClosed { context.flush() }
    }

    func close() { isClosed = true }

    func open() {
        isClosed = false
        context?.flush()
    }
}
