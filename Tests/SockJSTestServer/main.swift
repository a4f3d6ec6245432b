// Serves the services of SockJS's own suite through the handlers of a node, until it is ended:
//     SockJSTestServer [PORT]
// Prints the port when it listens.

import BelfryModel
import Glibc
import HTTPServer
import Hummingbird
import Listening
import Logging
import NIOCore
import NIOPosix
import Node
import SockJS
import WebSocket

let services = TestServices()
let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
var policy = UpgradePolicy(allowedOrigins: ["*"])
policy.services = services.all.map(\.mounted)
let rules = RequestRules(policy: policy)
let http = PlainHTTP(
    router: Router(context: NodeRequestContext.self), rules: rules, limits: Limits(),
    logger: Logger(label: "sockjs-test"),
    addHandlers: {
        try $0.pipeline.syncOperations.addHandler(SockJSHandler(services: services.all, connection: $1))
    })
let setup = ConnectionSetup(
    rules: rules, eventLoops: group.makeIterator(),
    startSession: { channel, handshake in
        guard case .mounted(let prefix, let isRaw) = handshake.endpoint, let service = services.service(at: prefix)
        else { return channel.close(promise: nil) }
        guard isRaw else {
            return try SockJSWebSocket.add(
                to: channel, service: service, connection: ClientConnection(transport: "test"), limits: Limits())
        }
        try channel.pipeline.syncOperations.addHandler(
            WebSocketHandler(limits: Limits()) { webSocket in
                if TestServices.isClosing(prefix) { webSocket.close(.clientDisconnected) }
                return EchoApplication(webSocket)
            })
    },
    servePlainly: { try http.serve($0, of: $1, turns: TurnQueue(eventLoop: $0.eventLoop)) })
let port = CommandLine.arguments.dropFirst().first.flatMap { Int($0) } ?? 0
let logger = Logger(label: "sockjs-test")
let listener = Listener(
    .http, Listener.Configuration(host: "127.0.0.1", port: port),
    gate: ConnectionGate(limits: Limits(), trusted: TrustedProxies(), logger: logger), limits: Limits(),
    eventLoopGroup: group, initialize: setup.initialize)
try await listener.run(pause: {}) { address in
    // Whoever started it reads the line.
    print(address.port ?? 0)
    fflush(nil)
}
