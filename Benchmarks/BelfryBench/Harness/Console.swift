import Foundation

/// What this program says, each line at once: `print` keeps text back while standard output is a pipe.
enum Console {
    /// A result, on standard output.
    static func print(_ line: String) { FileHandle.standardOutput.write(Data((line + "\n").utf8)) }

    /// What goes on, for a person, on standard error.
    static func progress(_ line: String) { FileHandle.standardError.write(Data((line + "\n").utf8)) }
}
