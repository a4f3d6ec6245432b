import BelfryModel
import HTTPServer
import Listening
import NIOCore
import NIOHTTP1
import Node

/// One SockJS endpoint of a node: what is served below its path, and who its sessions belong to.
public struct SockJSService: Sendable {
    public let settings: SockJSSettings
    /// Called on the event loop of a session that begins, with what its transport knows of the client.
    let open: @Sendable (any SockJSTransport, ClientConnection, any EventLoop) throws -> any SockJSApplication
    private let makeConnection: @Sendable (_ transport: String, AcceptedConnection, HTTPRequestHead) -> ClientConnection
    /// A new value for the cookie of a client that has none.
    let makeCookie: @Sendable () -> String
    let directory: SessionDirectory
    let iframe: IframePage

    /// - Parameters:
    ///   - sessionsMax: sessions at a time, those with a WebSocket not counted.
    ///   - makeCookie: a value of letters and digits that nobody can guess.
    public init(
        settings: SockJSSettings, sessionsMax: Int,
        open:
            @escaping @Sendable (any SockJSTransport, ClientConnection, any EventLoop) throws
            -> any SockJSApplication,
        connection: @escaping @Sendable (_ transport: String, AcceptedConnection, HTTPRequestHead) -> ClientConnection,
        makeCookie: @escaping @Sendable () -> String = RandomCookie.make
    ) {
        self.settings = settings
        self.open = open
        makeConnection = connection
        self.makeCookie = makeCookie
        directory = SessionDirectory(sessionsMax: sessionsMax)
        iframe = IframePage(clientURL: settings.clientURL)
    }

    /// What is known of a client by its first request.
    func connection(
        _ transport: String, of connection: AcceptedConnection, head: HTTPRequestHead
    ) -> ClientConnection {
        makeConnection(transport, connection, head)
    }

    /// Where it is, for the rules of requests.
    public var mounted: MountedService {
        let takesWebSockets = settings.takesWebSockets
        return MountedService(prefix: settings.path) { rest in
            guard takesWebSockets else { return nil }
            switch SockJSResource(rest) {
            case .rawWebSocket: return .raw
            case .session(_, .websocket): return .framed
            default: return nil
            }
        }
    }

    /// What a path, without its query, stands for; `nil` when it is not below the service's.
    func rest(of path: Substring) -> Substring? {
        guard path.hasPrefix(settings.path) else { return nil }
        let rest = path.dropFirst(settings.path.count)
        return rest.isEmpty || rest.first == "/" ? rest : nil
    }
}

/// Values for cookies.
public enum RandomCookie {
    /// 128 random bits in hexadecimal digits.
    @Sendable public static func make() -> String {
        var generator = SystemRandomNumberGenerator()
        let halves: [UInt64] = [generator.next(), generator.next()]
        return halves.map { half in
            let digits = String(half, radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }.joined()
    }
}
