import Foundation
import NIOSSL

/// A certificate that vouches for itself, made by `openssl`, with its key: in a folder of its own.
public struct TestCertificate: Sendable {
    public let certificates: URL
    public let key: URL

    /// - Parameters:
    ///   - name: of its folder, and whose it is.
    ///   - password: the key is encrypted with it.
    public static func make(_ name: String, days: Int = 30, password: String? = nil) throws -> TestCertificate {
        let folder = TestServers.folder("certificates/\(name)-\(UInt32.random(in: 0...UInt32.max))")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let made = TestCertificate(
            certificates: folder.appendingPathComponent("tls.pem"), key: folder.appendingPathComponent("tls.key"))
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/openssl")
        process.arguments =
            [
                "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-days", "\(days)",
                "-subj", "/CN=\(name)", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost", "-keyout",
                made.key.path, "-out", made.certificates.path,
            ] + (password.map { ["-passout", "pass:\($0)"] } ?? ["-nodes"])
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw CocoaError(.fileWriteUnknown) }
        return made
    }

    /// What a client has that trusts this certificate only.
    public func client() throws -> TLSConfiguration {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.trustRoots = .file(certificates.path)
        configuration.certificateVerification = .noHostnameVerification
        return configuration
    }

    /// Puts another certificate, or its key, into this one's file.
    public func take(_ part: KeyPath<TestCertificate, URL>, of other: TestCertificate) throws {
        try Data(contentsOf: other[keyPath: part]).write(to: self[keyPath: part])
    }
}
