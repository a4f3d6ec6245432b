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
}
