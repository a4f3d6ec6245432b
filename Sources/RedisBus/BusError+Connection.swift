import Bus
import Glibc
import NIOCore
import NIOPosix
import NIOSSL

extension BusError {
    /// What went wrong with a connection, as a sentence that names where Redis was sought.
    ///
    /// The code is `.refused` when TLS does not trust the other side, which does not pass by itself, and `.unavailable`
    /// otherwise.
    static func connection(
        to configuration: RedisConfiguration, _ text: String, _ underlying: (any Error)? = nil,
        file: String = #fileID, line: Int = #line
    ) -> BusError {
        let reason = underlying.map { ": \(Self.reason(of: $0))" } ?? ""
        let isDistrusted = underlying.map(Self.isDistrust) ?? false
        return BusError(
            isDistrusted ? .refused : .unavailable,
            "The connection to Redis at \(configuration.location) \(text)\(reason).", underlying: underlying,
            file: file, line: line)
    }

    private static func reason(of error: any Error) -> String {
        switch error {
        case let error as NIOConnectionError:
            // The first of the tries that the addresses of a name led to says enough.
            let first = error.connectionErrors.first?.error ?? error.dnsAError ?? error.dnsAAAAError
            return first.map(reason) ?? "\(error)"
        case let error as IOError: return String(cString: strerror(error.errnoCode))
        default: return "\(error)"
        }
    }

    private static func isDistrust(_ error: any Error) -> Bool {
        switch error {
        case NIOSSLError.uncleanShutdown: false
        case is NIOSSLError, is NIOSSLExtraError, is BoringSSLError: true
        default: false
        }
    }
}
