import Glibc

/// Ports of 127.0.0.1.
enum LoopbackPort {
    /// What a server's start throws when somebody else took its port.
    struct Taken: Error { let error: PrivateServerError }

    /// Starts a server on `given`, or else on free ports until one isn't snatched away, three at most.
    static func choose<Server>(_ given: Int?, _ start: (Int) async throws -> Server) async throws -> Server {
        var attempts = 3
        while true {
            attempts -= 1
            do {
                let port = if let given { given } else { try free() }
                return try await start(port)
            } catch let taken as Taken {
                if given != nil || attempts == 0 { throw taken.error }
            }
        }
    }

    /// A port that was free a moment ago: the kernel's choice for a bind to port 0.
    static func free() throws(PrivateServerError) -> Int {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        defer { close(descriptor) }
        var address = loopback(port: 0)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 ? getsockname(descriptor, $0, &length) : -1
            }
        }
        guard descriptor >= 0, result == 0 else {
            throw PrivateServerError(
                .startFailed, "No free port on 127.0.0.1: \(String(cString: strerror(errno))).")
        }
        return Int(UInt16(bigEndian: address.sin_port))
    }

    /// 127.0.0.1 as the socket calls take it.
    static func loopback(port: Int) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(truncatingIfNeeded: port).bigEndian
        address.sin_addr.s_addr = UInt32(INADDR_LOOPBACK).bigEndian
        return address
    }
}
