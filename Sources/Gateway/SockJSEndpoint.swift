import BelfryModel
import HTTPServer
import Listening
import NIOCore
import NIOHTTP1
import Node
import STOMP
import SockJS
import WebSocket

/// SockJS over the node's sessions.
struct SockJSEndpoint: Sendable {
    private let service: SockJSService
    private let workers: Workers
    private let limits: Limits
    private let acknowledgesByCommand: Bool

    /// - Returns: `nil` when it is turned off.
    init?(configuration: GatewayConfiguration, workers: Workers) {
        guard !configuration.sockJS.path.isEmpty else { return nil }
        self.workers = workers
        limits = configuration.limits
        let (acknowledgesByCommand, forwarding) = (configuration.sockJS.acknowledgesByCommand, configuration.forwarding)
        self.acknowledgesByCommand = acknowledgesByCommand
        service = SockJSService(
            settings: configuration.sockJS, sessionsMax: configuration.limits.sessionsMax,
            open: { transport, connection, eventLoop in
                try workers.worker(on: eventLoop).open(transport: transport, of: connection)
            },
            connection: { transport, connection, head in
                var client = ClientConnection(
                    transport: transport, forwarding.client(of: head, on: connection), head)
                client.acknowledgesByCommand = acknowledgesByCommand
                return client
            })
    }

    var mounted: MountedService { service.mounted }

    /// Adds to a channel of plain HTTP what answers SockJS's requests.
    func addHandler(to channel: any Channel, of connection: AcceptedConnection) throws {
        try channel.pipeline.syncOperations.addHandler(SockJSHandler(services: [service], connection: connection))
    }

    /// Starts a session in a channel that has become a WebSocket at one of the endpoint's paths.
    func start(
        _ channel: any Channel, _ handshake: AcceptedHandshake, isRaw: Bool,
        compression: WebSocketCompression.Agreed?
    ) throws {
        var connection = ClientConnection(
            transport: isRaw ? "sockjs-websocket-raw" : "sockjs-websocket", handshake)
        connection.acknowledgesByCommand = acknowledgesByCommand
        if isRaw {
            try channel.pipeline.syncOperations.addHandler(
                WebSocketHandler(
                    worker: try workers.worker(of: channel), connection: connection, limits: limits,
                    compression: compression))
        } else {
            try SockJSWebSocket.add(
                to: channel, service: service, connection: connection, limits: limits, compression: compression)
        }
    }
}

extension ClientConnection {
    /// What a handshake that was let in tells of the client.
    init(transport: String, _ handshake: AcceptedHandshake) {
        self.init(transport: transport, handshake.client, handshake.head)
        version = handshake.subprotocol.flatMap(ProtocolVersion.init(subprotocol:))
    }

    /// What a request tells of the client.
    fileprivate init(transport: String, _ client: IPAddress?, _ head: HTTPRequestHead) {
        self.init(transport: transport)
        address = client?.description
        fields = head.headers.map { ($0.name, $0.value) }
    }
}
