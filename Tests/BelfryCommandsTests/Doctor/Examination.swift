import DatabaseSupport
import Foundation

@testable import BelfryCommands

/// Runs the doctor in the test's process.
enum Examination {
    /// - Parameters:
    ///   - url: as whom and where; it does not wait to see whether terms climb.
    ///   - change: what the test wants otherwise.
    static func of(_ url: String?, _ change: (inout Doctor) -> Void = { _ in }) async -> DoctorReport {
        await of(url, settings: { _ in }, change)
    }

    static func of(
        _ url: String?, settings: (inout BelfryConfiguration) -> Void, _ change: (inout Doctor) -> Void = { _ in }
    ) async -> DoctorReport {
        var configuration = BelfryConfiguration()
        configuration.postgresURL = url
        settings(&configuration)
        var doctor = Doctor(configuration: configuration)
        doctor.watch = .zero
        change(&doctor)
        return await doctor.examine()
    }

    /// Runs the command that a finding names, as the superuser would in a shell.
    static func mend(_ finding: Finding, _ database: TestDatabase) async throws -> Bool {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments = ["-c", finding.command ?? "exit 1"]
        process.environment = ProcessInfo.processInfo.environment
            .merging(["BELFRY_POSTGRES_URL": database.url]) { $1 }
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        return process.terminationStatus == 0
    }
}

extension TestDatabase {
    /// Its URL for another role.
    func url(as role: String) -> String { url.replacing("postgres@", with: "\(role)@", maxReplacements: 1) }

    /// For a person on call.
    var operatorURL: String { url(as: "test_operator") }
}

extension DoctorReport {
    func first(_ code: String) -> Finding? { findings.first { $0.code == code } }
    func has(_ code: String, _ severity: Finding.Severity? = nil) -> Bool {
        findings.contains { $0.code == code && (severity == nil || $0.severity == severity) }
    }
}
