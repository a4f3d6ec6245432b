import Foundation
import NIOSSL

/// When the certificates of a file expire, for whoever looks before it happens.
public struct CertificateDates: Sendable, Hashable {
    /// The first of the chain to expire.
    public let notAfter: Date

    /// The certificates of a PEM file.
    ///
    /// - Throws: `TLSError` when it can't be read, or holds none.
    public init(file path: String) throws(TLSError) {
        let chain: [NIOSSLCertificate]
        do {
            chain = try NIOSSLCertificate.fromPEMFile(path)
        } catch {
            throw TLSError("The file '\(path)' holds no certificates in PEM", underlying: error)
        }
        guard let first = chain.map(\.notValidAfter).min() else {
            throw TLSError("The file '\(path)' holds no certificate", underlying: nil)
        }
        notAfter = Date(timeIntervalSince1970: TimeInterval(first))
    }
}

extension TLSFiles {
    /// Whether a node could serve with them.
    ///
    /// - Throws: `TLSError` when they can't be read, or do not belong together.
    public func check() throws(TLSError) { _ = try load() }
}
