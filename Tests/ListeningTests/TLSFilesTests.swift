import Foundation
import Testing

@testable import Listening

/// A certificate and its key in files, as an operator has them.
@Suite struct TLSFilesTests {
    private final class Folder {
        let url = FileManager.default.temporaryDirectory.appendingPathComponent("belfry-tls-\(UUID().uuidString)")
        init() throws { try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true) }
        deinit { try? FileManager.default.removeItem(at: url) }

        func path(_ name: String) -> String { url.appendingPathComponent(name).path }

        /// A certificate of 30 days in `name.pem`, its key in `name.key`.
        func make(
            _ name: String, kind: [String] = ["ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"], password: String? = nil
        )
            throws
        {
            let process = Process()
            process.executableURL = URL(fileURLWithPath: "/usr/bin/openssl")
            process.arguments =
                ["req", "-x509", "-newkey"] + kind + ["-days", "30", "-subj", "/CN=\(name)"]
                + ["-keyout", path("\(name).key"), "-out", path("\(name).pem")]
                + (password.map { ["-passout", "pass:\($0)"] } ?? ["-nodes"])
            process.standardError = FileHandle.nullDevice
            try process.run()
            process.waitUntilExit()
            #expect(process.terminationStatus == 0)
        }
    }

    private let folder: Folder

    init() throws { folder = try Folder() }

    private func files(_ certificate: String, key: String, password: String? = nil) -> TLSFiles {
        TLSFiles(certificates: folder.path(certificate), key: folder.path(key), keyPassword: password)
    }

    @Test func aPairIsReadWithItsEnd() throws {
        try folder.make("ec")
        try folder.make("rsa", kind: ["rsa:2048"])
        for name in ["ec", "rsa"] {
            let loaded = try files("\(name).pem", key: "\(name).key").load()
            #expect(abs(loaded.notAfter.timeIntervalSinceNow - 30 * 86_400) < 600)
        }
    }

    @Test func aKeyMayHaveAPassword() throws {
        try folder.make("locked", password: "hunter2hunter2")
        _ = try files("locked.pem", key: "locked.key", password: "hunter2hunter2").load()
        for password in [nil, "", "hunter3hunter3"] {
            let error = #expect(throws: TLSError.self) {
                try files("locked.pem", key: "locked.key", password: password).load()
            }
            #expect(error?.description.contains("tls.keyPassword") == true)
            #expect(error?.description.contains("hunter") == false)
        }
    }

    @Test func whatDoesNotBelongTogetherOrIsNoneIsRefused() throws {
        try folder.make("one")
        try folder.make("other")
        try Data("-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----\n".utf8)
            .write(to: folder.url.appendingPathComponent("broken.pem"))
        try Data().write(to: folder.url.appendingPathComponent("empty.pem"))
        for (certificate, key, named) in [
            ("one.pem", "other.key", "one.pem"), ("absent.pem", "one.key", "absent.pem"),
            ("one.pem", "absent.key", "absent.key"), ("broken.pem", "one.key", "broken.pem"),
            ("empty.pem", "one.key", "empty.pem"), ("one.key", "one.key", "one.key"), ("one.pem", "one.pem", "one.pem"),
        ] {
            let error = #expect(throws: TLSError.self, "\(certificate) \(key)") {
                try files(certificate, key: key).load()
            }
            #expect(error?.description.contains(named) == true)
        }
    }

    @Test func aChangeOfEitherFileIsSeen() throws {
        try folder.make("one")
        try folder.make("other")
        let files = files("one.pem", key: "one.key")
        let before = files.stamp
        #expect(files.stamp == before)
        try Data(contentsOf: folder.url.appendingPathComponent("other.key"))
            .write(to: folder.url.appendingPathComponent("one.key"))
        let after = files.stamp
        #expect(after != before)
        try FileManager.default.removeItem(atPath: folder.path("one.pem"))
        #expect(files.stamp != after)
    }
}
