import Foundation
import NIOCore
import NIOSSL

/// Where a node's certificate and key are, and what TLS it speaks with them.
public struct TLSFiles: Sendable {
    /// The oldest version that is spoken.
    public enum MinimumVersion: String, Sendable, CaseIterable {
        case tls12 = "1.2"
        case tls13 = "1.3"
    }

    /// Bytes of either file at most.
    private static let bytesMax = 1024 * 1024

    /// Time for TLS's own farewell, beside what the transports wait for theirs.
    private static let farewellTimeout = TimeAmount.seconds(1)

    /// PEM: the certificate, then those of the authorities between it and the root.
    let certificates: String
    /// PEM.
    let key: String
    private let keyPassword: String?
    private let minimumVersion: MinimumVersion

    public init(
        certificates: String, key: String, keyPassword: String? = nil, minimumVersion: MinimumVersion = .tls12
    ) {
        self.certificates = certificates
        self.key = key
        self.keyPassword = keyPassword
        self.minimumVersion = minimumVersion
    }

    /// What tells whether the files have changed, without reading them.
    struct Stamp: Hashable {
        private let files: [[Int64]]

        fileprivate init(_ files: [[Int64]]) { self.files = files }
    }

    var stamp: Stamp {
        Stamp(
            [certificates, key].map { path in
                var status = stat()
                guard stat(path, &status) == 0 else { return [] }
                return [
                    Int64(status.st_ino), Int64(status.st_size), Int64(status.st_mtim.tv_sec),
                    Int64(status.st_mtim.tv_nsec),
                ]
            })
    }

    /// What the files hold now, ready for use.
    ///
    /// - Throws: `TLSError` when they can't be read, or do not belong together.
    func load() throws(TLSError) -> LoadedCertificate {
        let chain: [NIOSSLCertificate]
        do {
            chain = try NIOSSLCertificate.fromPEMBytes(try Self.read(certificates))
        } catch {
            throw TLSError("The file '\(certificates)' holds no certificates in PEM", underlying: error)
        }
        guard let leaf = chain.first else {
            throw TLSError("The file '\(certificates)' holds no certificate", underlying: nil)
        }
        let privateKey: NIOSSLPrivateKey
        do {
            let bytes = try Self.read(key)
            if let keyPassword {
                privateKey = try NIOSSLPrivateKey(bytes: bytes, format: .pem) { $0(Array(keyPassword.utf8)) }
            } else {
                privateKey = try NIOSSLPrivateKey(bytes: bytes, format: .pem) { $0([UInt8]()) }
            }
        } catch {
            throw TLSError(
                "The file '\(key)' holds no private key in PEM that tls.keyPassword, or none, can open",
                underlying: error)
        }
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(privateKey))
        configuration.minimumTLSVersion = minimumVersion == .tls13 ? .tlsv13 : .tlsv12
        configuration.applicationProtocols = ["http/1.1"]
        configuration.shutdownTimeout = Self.farewellTimeout
        do {
            return LoadedCertificate(
                context: try NIOSSLContext(configuration: configuration),
                notAfter: Date(timeIntervalSince1970: TimeInterval(leaf.notValidAfter)))
        } catch {
            throw TLSError("The key in '\(key)' is not that of the certificate in '\(certificates)'", underlying: error)
        }
    }

    private static func read(_ path: String) throws -> [UInt8] {
        let file = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
        defer { try? file.close() }
        return Array(try file.read(upToCount: bytesMax) ?? Data())
    }
}

/// A certificate with its key, as connections use it.
struct LoadedCertificate: Sendable {
    let context: NIOSSLContext
    /// When it expires.
    let notAfter: Date
}

/// Why there is no certificate to serve TLS with.
public struct TLSError: Error, CustomStringConvertible {
    private let message: String
    /// What NIOSSL or the file system says.
    public let underlying: (any Error)?
    public let file: String
    public let line: Int

    init(_ message: String, underlying: (any Error)?, file: String = #fileID, line: Int = #line) {
        self.message = message
        self.underlying = underlying
        self.file = file
        self.line = line
    }

    /// A sentence; no key is in it.
    public var description: String { underlying.map { "\(message): \($0)." } ?? "\(message)." }
}
