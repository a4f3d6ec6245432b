import Glibc

/// A blocking TCP connection to a port of 127.0.0.1, owned by one thread.
final class RabbitMQSocket {
    private let descriptor: Int32

    /// - Throws: `BenchmarkError` when nobody listens.
    init(port: Int) throws {
        guard let descriptor = Self.open(port) else {
            throw BenchmarkError("Can't connect to RabbitMQ on port \(port): \(String(cString: strerror(errno))).")
        }
        self.descriptor = descriptor
        var on: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
    }

    deinit { close(descriptor) }

    /// Whether somebody listens on a port.
    static func accepts(_ port: Int) -> Bool {
        guard let descriptor = open(port) else { return false }
        close(descriptor)
        return true
    }

    /// Sends all of it.
    func send(_ bytes: [UInt8]) throws {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress.map { $0 + sent }, bytes.count - sent, Int32(MSG_NOSIGNAL))
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw ended("send") }
            sent += count
        }
    }

    /// Reads what is there into `buffer`, after a wait of at most `milliseconds`.
    ///
    /// - Returns: how many bytes; 0 when none came in that time.
    /// - Throws: `BenchmarkError` at the connection's end.
    func receive(into buffer: inout [UInt8], waiting milliseconds: Int32) throws -> Int {
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard poll(&entry, 1, milliseconds) > 0 else { return 0 }
        let capacity = buffer.count
        let count = buffer.withUnsafeMutableBytes { recv(descriptor, $0.baseAddress, capacity, 0) }
        if count < 0, errno == EINTR || errno == EAGAIN { return 0 }
        guard count > 0 else { throw ended("recv") }
        return count
    }

    private func ended(_ call: String) -> BenchmarkError {
        BenchmarkError("RabbitMQ ended a publisher's connection (\(call)): \(String(cString: strerror(errno))).")
    }

    private static func open(_ port: Int) -> Int32? {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return nil }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(truncatingIfNeeded: port).bigEndian
        address.sin_addr.s_addr = UInt32(INADDR_LOOPBACK).bigEndian
        let connected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        if connected == 0 { return descriptor }
        close(descriptor)
        return nil
    }
}
