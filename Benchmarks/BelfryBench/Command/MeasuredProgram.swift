import Foundation

/// The `belfry` that is measured, as a black box: the one in the folder of this program, or one that the caller names.
struct MeasuredProgram: Sendable {
    /// Absolute: the scenarios start it in folders of their own.
    let path: String
    /// What it prints for `--version`.
    let version: String

    /// Finds the program and asks it for its version.
    ///
    /// - Parameters:
    ///   - name: its path, as the caller gave it; nil for `belfry` in the folder of `ownPath`.
    ///   - ownPath: the path of this program; nil asks the kernel.
    ///   - folder: where it is run.
    /// - Throws: `BenchmarkError` when there is no such program, or when it is another one.
    static func belfry(
        named name: String?, beside ownPath: String? = nil, in folder: URL
    ) async throws -> MeasuredProgram {
        let path: String
        if let name {
            path = URL(fileURLWithPath: name).standardizedFileURL.path
            guard isProgram(path) else {
                throw BenchmarkError("--belfry names \(path), and there is no program of this path.")
            }
        } else {
            let own = URL(fileURLWithPath: try ownPath ?? executable())
            path = own.deletingLastPathComponent().appendingPathComponent("belfry").path
            guard isProgram(path) else {
                throw BenchmarkError(
                    "There is no belfry to measure at \(path). Build it as this program was built "
                        + "(swift build -c release --product belfry), or name one by --belfry.")
            }
        }
        let result = try await ChildProgram.run([path, "--version"], in: folder.appendingPathComponent("version"))
        let version = result.output.trimmingCharacters(in: .whitespacesAndNewlines)
        guard result.status == 0, version.wholeMatch(of: /\d+\.\d+\.\d+\S*/) != nil else {
            throw BenchmarkError("\(path) does not answer --version as belfry does: it is another program.")
        }
        return MeasuredProgram(path: path, version: version)
    }

    private static func isProgram(_ path: String) -> Bool {
        var isFolder: ObjCBool = false
        return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) && !isFolder.boolValue
            && FileManager.default.isExecutableFile(atPath: path)
    }

    private static func executable() throws -> String {
        guard let path = realpath("/proc/self/exe", nil) else {
            throw BenchmarkError("The path of this program can't be found: /proc is not mounted.")
        }
        defer { free(path) }
        return String(cString: path)
    }
}
