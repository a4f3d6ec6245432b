import NIOCore
import NIOSSL

/// What happens to a new connection before its protocol begins: its limits, the PROXY header, the TLS handshake.
struct ConnectionOpening: Sendable {
    let port: ListenerPort
    let gate: ConnectionGate
    let takesProxyHeaders: Bool
    let tls: ServerTLS?
    /// Time for PROXY header and TLS handshake together.
    let timeout: TimeAmount
    /// Puts into the channel, on its event loop, what answers a connection that is over a limit.
    let refuse: @Sendable (any Channel, ConnectionRefusal) throws -> Void
    /// Puts in what deals with the connection.
    let initialize: @Sendable (any Channel, AcceptedConnection) throws -> Void

    /// Puts into a new channel what it needs first.
    func begin(_ channel: any Channel) throws {
        // Who was reset before we looked at him has no address any more: haproxy's checks come and go like that.
        guard let peer = IPAddress(channel.remoteAddress) else { throw ChannelError.ioOnClosedChannel }
        do throws(ConnectionRefusal) {
            try gate.enter(channel, port: port)
            // Behind a PROXY header it is the client whose limits count.
            if !takesProxyHeaders || !gate.trusted.contains(peer) { try gate.enter(channel, from: peer) }
        } catch {
            // Before TLS there is nothing that could be said.
            guard tls == nil, !takesProxyHeaders else { throw error }
            return try refuse(channel, error)
        }
        guard takesProxyHeaders || tls != nil else {
            return try initialize(channel, AcceptedConnection(address: peer, gate: gate))
        }
        let deadline = OpeningDeadline(channel: channel, timeout: timeout) { [gate] in
            gate.refused(.openingTimeout, peer)
        }
        if takesProxyHeaders {
            try addProxyHeaderHandler(to: channel, peer: peer, deadline: deadline)
        } else {
            try addTLS(to: channel, address: peer, deadline: deadline)
        }
    }

    private func addProxyHeaderHandler(to channel: any Channel, peer: IPAddress, deadline: OpeningDeadline) throws {
        let isTrusted = gate.trusted.contains(peer)
        let handler = ProxyHeaderHandler(
            isTrusted: isTrusted,
            onHeader: { context, source in
                do {
                    if isTrusted, source != nil { try gate.enter(context.channel, from: source) }
                    let address = source ?? peer
                    if tls != nil {
                        try addTLS(to: context.channel, address: address, deadline: deadline)
                    } else {
                        deadline.met()
                        try initialize(context.channel, AcceptedConnection(address: address, gate: gate))
                    }
                } catch {
                    context.close(promise: nil)
                }
            },
            onRefusal: { context in
                gate.refused(.proxyHeader, peer)
                context.close(promise: nil)
            })
        try channel.pipeline.syncOperations.addHandler(handler)
    }

    private func addTLS(to channel: any Channel, address: IPAddress?, deadline: OpeningDeadline) throws {
        guard let tls else { return }
        let handler = TLSHandshakeHandler(
            onHandshake: { context in
                deadline.met()
                do {
                    try initialize(
                        context.channel, AcceptedConnection(address: address, isSecure: true, gate: gate))
                } catch {
                    context.close(promise: nil)
                }
            },
            onFailure: { _ in if !deadline.isOver { gate.refused(.tlsHandshake, address) } })
        // The handler behind first: adding TLS to an active channel begins the handshake.
        try channel.pipeline.syncOperations.addHandler(handler)
        try channel.pipeline.syncOperations.addHandler(
            NIOSSLServerHandler(context: tls.context), position: .before(handler))
    }
}

/// The end of the time that a connection has for its beginning. Used on its event loop only.
private final class OpeningDeadline: @unchecked Sendable {
    private var task: Scheduled<Void>?
    /// The connection was closed for it.
    private(set) var isOver = false

    init(channel: any Channel, timeout: TimeAmount, onMissed: @escaping @Sendable () -> Void) {
        task = channel.eventLoop.scheduleTask(in: timeout) { [self] in
            task = nil
            guard channel.isActive else { return }
            isOver = true
            onMissed()
            let pipeline = channel.pipeline.syncOperations
            // Not through TLS, which would say farewell first.
            if let context = try? pipeline.context(handlerType: NIOSSLServerHandler.self) {
                context.close(promise: nil)
            } else {
                channel.close(promise: nil)
            }
        }
        channel.closeFuture.whenComplete { [self] _ in met() }
    }

    /// What was awaited is there, or the connection has ended.
    func met() {
        task?.cancel()
        task = nil
    }
}
