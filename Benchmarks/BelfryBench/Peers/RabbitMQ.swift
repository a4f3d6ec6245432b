import Foundation
import PrivateServers

/// A RabbitMQ of this process alone: durable queues, STOMP over TCP for publishers and over WebSocket for subscribers,
/// on free loopback ports, with its files in a folder of its own.
///
/// The user is `guest` with the password `guest`, who may only come from this machine.
final class RabbitMQ: Sendable {
    /// The path of its WebSocket.
    static let webSocketPath = "/ws"
    /// The Debian package that brings it.
    static let package = "rabbitmq-server"

    /// Where it takes STOMP over WebSocket on 127.0.0.1.
    let webSocketPort: Int
    /// Where it takes STOMP over TCP on 127.0.0.1.
    let stompPort: Int

    private let folder: URL
    private let environment: [String: String]
    private let epmd: PrivateProgram
    private let broker: PrivateProgram

    private init(
        ports: Ports, folder: URL, environment: [String: String], epmd: PrivateProgram, broker: PrivateProgram
    ) {
        webSocketPort = ports.webSocket
        stompPort = ports.stomp
        self.folder = folder
        self.environment = environment
        self.epmd = epmd
        self.broker = broker
    }

    /// A session's frames: CONNECT to the virtual host `/`, and SUBSCRIBE to a durable queue, which makes it.
    static func steps(queue: String) -> [SwarmGreeting.Step] {
        [
            SwarmGreeting.Step(
                "CONNECT\naccept-version:1.2\nhost:/\nlogin:guest\npasscode:guest\nheart-beat:0,0\n\n",
                answer: "CONNECTED"),
            SwarmGreeting.Step(
                "SUBSCRIBE\nid:0\ndestination:/queue/\(queue)\ndurable:true\nauto-delete:false\n"
                    + "ack:client-individual\nreceipt:s\n\n",
                answer: "RECEIPT"),
        ]
    }

    /// Whether the programs are installed.
    static var isInstalled: Bool { programs != nil }

    /// What its process has used so far; nil when it has ended.
    var usage: ProcessUsage? { ProcessUsage(of: broker.processIdentifier) }

    /// Starts it, empty, and returns when it takes WebSockets.
    ///
    /// - Throws: `BenchmarkError` when it is not installed; `PrivateServerError` with the end of its log.
    static func start(_ context: ScenarioContext) async throws -> RabbitMQ {
        guard let programs else { throw BenchmarkError("RabbitMQ is not installed: install the package \(package).") }
        let folder = context.folder.appendingPathComponent("rabbitmq")
        try? FileManager.default.removeItem(at: folder)
        for part in ["home", "log", "mnesia"] {
            try FileManager.default.createDirectory(
                at: folder.appendingPathComponent(part), withIntermediateDirectories: true)
        }
        let ports = try Ports()
        try write(configuration(ports), to: folder.appendingPathComponent("rabbitmq.conf"))
        try write("[rabbitmq_web_stomp].\n", to: folder.appendingPathComponent("enabled_plugins"))
        let environment = environment(folder, ports)
        // Erlang starts its name server by itself, as a daemon that would stay; one of ours ends with us.
        let epmd = try await PrivateProgram.start(
            name: "epmd", arguments: [programs.epmd, "-port", "\(ports.epmd)", "-address", "127.0.0.1"],
            dataDirectory: folder.appendingPathComponent("epmd")
        ) { RabbitMQSocket.accepts(ports.epmd) }
        do {
            let broker = try await PrivateProgram.start(
                name: "rabbitmq-server", arguments: [programs.server], environment: environment,
                dataDirectory: folder.appendingPathComponent("server")
            ) {
                RabbitMQSocket.accepts(ports.webSocket) && RabbitMQSocket.accepts(ports.stomp)
            }
            return RabbitMQ(ports: ports, folder: folder, environment: environment, epmd: epmd, broker: broker)
        } catch {
            await epmd.stop()
            throw error
        }
    }

    /// Ends it in good order and removes its files.
    func stop() async {
        await broker.stop()
        await epmd.stop()
        try? FileManager.default.removeItem(at: folder)
    }

    /// How many messages wait in its queues, delivered and not yet acknowledged ones included. Takes a second or two.
    func messagesLeft() async throws -> Int {
        guard let programs = Self.programs else { throw BenchmarkError("RabbitMQ is not installed.") }
        let (status, output) = try await ChildProgram.run(
            [programs.control, "--silent", "-n", Self.nodeName, "list_queues", "messages"], environment: environment,
            in: folder.appendingPathComponent("control"))
        guard status == 0 else { throw BenchmarkError("rabbitmqctl list_queues failed:\n\(output)") }
        return output.split(whereSeparator: \.isWhitespace).compactMap { Int($0) }.reduce(0, +)
    }
}

extension RabbitMQ {
    private static let nodeName = "belfry-bench@localhost"

    private struct Ports {
        let webSocket, stomp, epmd, distribution: Int

        init() throws {
            webSocket = try PrivateProgram.freePort()
            stomp = try PrivateProgram.freePort()
            epmd = try PrivateProgram.freePort()
            distribution = try PrivateProgram.freePort()
        }
    }

    private struct Installation {
        let server: String
        let control: String
        let epmd: String
    }

    /// The scripts themselves, not those in PATH, which change to the system's user and to its folders.
    private static var programs: Installation? {
        let folder = "/usr/lib/rabbitmq/bin"
        let files = FileManager.default
        guard let epmd = PrivateProgram.find("epmd"), files.isExecutableFile(atPath: "\(folder)/rabbitmq-server"),
            files.isExecutableFile(atPath: "\(folder)/rabbitmqctl")
        else { return nil }
        return Installation(server: "\(folder)/rabbitmq-server", control: "\(folder)/rabbitmqctl", epmd: epmd)
    }

    private static func configuration(_ ports: Ports) -> String {
        """
        listeners.tcp = none
        stomp.listeners.tcp.1 = 127.0.0.1:\(ports.stomp)
        web_stomp.tcp.ip = 127.0.0.1
        web_stomp.tcp.port = \(ports.webSocket)
        web_stomp.tcp.backlog = 4096
        web_stomp.ws_frame = text
        log.file = false
        log.console = true
        log.console.level = warning

        """
    }

    private static func environment(_ folder: URL, _ ports: Ports) -> [String: String] {
        [
            "HOME": folder.appendingPathComponent("home").path,
            // Makes the script become the server instead of a parent that waits for it.
            "RUNNING_UNDER_SYSTEMD": "true",
            "RABBITMQ_NODENAME": nodeName,
            "RABBITMQ_MNESIA_BASE": folder.appendingPathComponent("mnesia").path,
            "RABBITMQ_LOG_BASE": folder.appendingPathComponent("log").path,
            "RABBITMQ_CONFIG_FILE": folder.appendingPathComponent("rabbitmq.conf").path,
            "RABBITMQ_ENABLED_PLUGINS_FILE": folder.appendingPathComponent("enabled_plugins").path,
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_DIST_PORT": "\(ports.distribution)",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "ERL_EPMD_PORT": "\(ports.epmd)",
            "ERL_EPMD_ADDRESS": "127.0.0.1",
        ]
    }

    private static func write(_ text: String, to file: URL) throws {
        try Data(text.utf8).write(to: file)
    }
}
