import Foundation
import NIOCore
import NIOPosix
import NIOSSL
import NIOWebSocket

extension ConnectionEnd {
    /// The channel failed.
    ///
    /// - Parameter isConnected: whether the server had accepted the token.
    static func failed(_ error: any Error, at address: ServerAddress, isConnected: Bool) -> ConnectionEnd {
        switch error {
        case NIOWebSocketError.invalidFrameLength:
            ConnectionEnd(.tooLarge, "The server sent more at once than this client takes.", underlying: error)
        case is NIOWebSocketError:
            ConnectionEnd(.protocolViolation, "The server broke RFC 6455.", underlying: error)
        default:
            isConnected
                ? .lost(error)
                : ConnectionEnd(
                    .unreachable, "The server at \(address.place) cannot be reached: \(reason(of: error)).",
                    underlying: error)
        }
    }

    private static func reason(of error: any Error) -> String {
        switch error {
        case let error as NIOConnectionError:
            // The first of the tries that the addresses of a name led to says enough.
            let first = error.connectionErrors.first?.error ?? error.dnsAError ?? error.dnsAAAAError
            return first.map(reason) ?? "\(error)"
        case let error as IOError: return String(cString: strerror(error.errnoCode))
        case is SocketAddressError, is SocketAddressError.UnknownHost: return "no such host is known"
        case ChannelError.connectTimeout: return "it does not answer"
        case let error as NIOSSLError: return "its TLS is not trusted or not understood (\(error))"
        default: return "\(error)"
        }
    }
}
