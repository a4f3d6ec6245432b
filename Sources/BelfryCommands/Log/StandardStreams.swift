import Foundation

/// Standard error, whole lines at a time.
enum StandardError {
    static func write(_ line: String) {
        FileHandle.standardError.write(Data("\(line)\n".utf8))
    }
}

/// Standard output, at once: `print` keeps text back when somebody reads from a pipe, as those who wait for
/// `belfry dev` do.
enum StandardOutput {
    static func write(_ line: String) {
        FileHandle.standardOutput.write(Data("\(line)\n".utf8))
    }

    /// - Throws: when nobody reads it any more, as in `belfry tail | head`.
    static func writeIfRead(_ line: String) throws {
        try FileHandle.standardOutput.write(contentsOf: Data("\(line)\n".utf8))
    }
}
