import BelfryModel
import NIOCore
import Node
import SockJS

/// The services that the protocol's own suite asks for.
struct TestServices {
    private static let prefix = "/sockjs-test"

    let all: [SockJSService] = [
        Self.echo("echo"),
        Self.echo("disabled_websocket_echo") { $0.takesWebSockets = false },
        Self.echo("cookie_needed_echo") { $0.usesCookie = true },
        Self.service("close") { _ in
        } open: { transport in
            transport.close(CloseFrame(code: 3000, reason: "Go away!"))
            return EchoApplication(transport)
        },
    ]

    func service(at prefix: String) -> SockJSService? { all.first { $0.settings.path == prefix } }

    /// Whether a service ends its sessions at once.
    static func isClosing(_ prefix: String) -> Bool { prefix.hasSuffix("/close") }

    private static func echo(_ name: String, _ change: (inout SockJSSettings) -> Void = { _ in }) -> SockJSService {
        service(name, change) { EchoApplication($0) }
    }

    private static func service(
        _ name: String, _ change: (inout SockJSSettings) -> Void,
        open: @escaping @Sendable (any SockJSTransport) -> any SockJSApplication
    ) -> SockJSService {
        var settings = SockJSSettings()
        settings.path = "\(prefix)/\(name)"
        settings.responseBytesMax = 4096
        change(&settings)
        return SockJSService(
            settings: settings, sessionsMax: 1_000,
            open: { transport, _, _ in open(transport) },
            connection: { transport, _, _ in ClientConnection(transport: transport) },
            // As the suite wants it.
            makeCookie: { "dummy" })
    }
}
