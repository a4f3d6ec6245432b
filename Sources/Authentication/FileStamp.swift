import Foundation

/// What tells whether a file has changed, without reading it. A file that another was moved over has changed; so has
/// one that is not there any more.
public struct FileStamp: Hashable, Sendable {
    private let values: [Int64]

    /// - Returns: `nil` when there is no such file.
    public init?(_ path: String) {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        values = [
            Int64(status.st_ino), Int64(status.st_size), Int64(status.st_mtim.tv_sec), Int64(status.st_mtim.tv_nsec),
        ]
    }
}
