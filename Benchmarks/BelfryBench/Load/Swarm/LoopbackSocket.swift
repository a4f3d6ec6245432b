import Glibc

/// Sockets of 127.0.0.0/8.
enum LoopbackSocket {
    /// 127.0.0.`last` and a port, as the socket calls take them.
    static func address(last: UInt32 = 1, port: Int) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(truncatingIfNeeded: port).bigEndian
        address.sin_addr.s_addr = (UInt32(127) << 24 | last).bigEndian
        return address
    }

    /// A blocking connection to 127.0.0.1:`port` whose reads and writes give up after `seconds`.
    static func connected(port: Int, seconds: Int = 30) throws(LoadError) -> Int32 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw LoadError("No socket: \(LoadError.lastReason).") }
        var limit = timeval(tv_sec: seconds, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        sendAtOnce(descriptor)
        guard connect(descriptor, to: address(port: port)) == 0 else {
            let reason = LoadError.lastReason
            close(descriptor)
            throw LoadError("Can't connect to 127.0.0.1:\(port): \(reason).")
        }
        return descriptor
    }

    /// A connection that is being made: from 127.0.0.`source` when given, where the kernel chooses a port that is free
    /// for this very peer (`IP_BIND_ADDRESS_NO_PORT`).
    static func connecting(port: Int, source: UInt32?) throws(LoadError) -> Int32 {
        let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        let descriptor = socket(AF_INET, kind, 0)
        guard descriptor >= 0 else { throw LoadError("No socket: \(LoadError.lastReason).") }
        sendAtOnce(descriptor)
        var result: Int32 = 0
        if let source {
            var one: Int32 = 1
            setsockopt(descriptor, Int32(IPPROTO_IP), IP_BIND_ADDRESS_NO_PORT, &one, 4)
            result = withSockaddr(address(last: source, port: 0)) { bind(descriptor, $0, $1) }
        }
        if result == 0 {
            result = connect(descriptor, to: address(port: port))
            if result == -1, errno == EINPROGRESS { result = 0 }
        }
        guard result == 0 else {
            let reason = LoadError.lastReason
            close(descriptor)
            throw LoadError("Can't connect to 127.0.0.1:\(port): \(reason).")
        }
        return descriptor
    }

    /// What became of a connection that was being made: 0, or the error's number.
    static func pendingError(_ descriptor: Int32) -> Int32 {
        var error: Int32 = 0
        var length = socklen_t(4)
        return getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &length) == 0 ? error : errno
    }

    private static func sendAtOnce(_ descriptor: Int32) {
        var one: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, 4)
    }

    private static func connect(_ descriptor: Int32, to address: sockaddr_in) -> Int32 {
        withSockaddr(address) { Glibc.connect(descriptor, $0, $1) }
    }

    private static func withSockaddr(
        _ address: sockaddr_in, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) -> Int32 {
        withUnsafePointer(to: address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }
}

func closeDescriptor(_ descriptor: Int32) { close(descriptor) }

func sendBytes(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer, from start: Int) -> Int {
    let rest = UnsafeRawBufferPointer(rebasing: bytes[start...])
    return send(descriptor, rest.baseAddress, rest.count, Int32(MSG_NOSIGNAL))
}

func receiveBytes(_ descriptor: Int32, _ bytes: UnsafeMutableRawBufferPointer) -> Int {
    recv(descriptor, bytes.baseAddress, bytes.count, 0)
}
