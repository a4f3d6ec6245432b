import Foundation

/// Where `belfry dev` keeps the data of its servers.
struct DevelopmentFolder: Sendable {
    /// The folder when none is named.
    static let defaultPath = ".dev"

    let path: String
    /// Whether it is deleted at the end. A folder that was there before, or that the user named, is never deleted.
    let isTemporary: Bool

    /// - Parameters:
    ///   - path: what `--data` names; `nil` is `defaultPath`.
    ///   - keep: `--keep`.
    init(path: String?, keep: Bool) {
        self.path = path ?? Self.defaultPath
        isTemporary = path == nil && !keep && !FileManager.default.fileExists(atPath: Self.defaultPath)
    }

    var url: URL { URL(fileURLWithPath: path) }

    /// Deletes the folder if it is temporary.
    func remove() {
        guard isTemporary else { return }
        try? FileManager.default.removeItem(at: url)
    }
}
