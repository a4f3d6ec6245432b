import HTTPServer

/// Where a node listens: a host and a port, written `host:port` or `[::1]:8080`.
struct ListenAddress: Hashable, Sendable, CustomStringConvertible {
    let host: String
    /// 0 lets the system choose.
    let port: Int

    init(host: String, port: Int) {
        self.host = host
        self.port = port
    }

    /// - Returns: `nil` for anything but a host, a colon and a port from 0 to 65535.
    init?(parsing text: String) {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
            return nil
        }
        var host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = host.dropFirst().dropLast()
        } else if host.contains(":") {
            return nil
        }
        guard !host.isEmpty, host.allSatisfy({ !$0.isWhitespace && $0 != "/" && $0 != "[" && $0 != "]" }) else {
            return nil
        }
        self.host = String(host)
        self.port = Int(port)
    }

    /// Whether only this machine can reach it, for certain.
    var isLoopback: Bool { Loopback.contains(host) }

    var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}
