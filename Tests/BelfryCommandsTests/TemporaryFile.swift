import Foundation

/// A file in a folder of its own, deleted with the last reference to it.
final class TemporaryFile: Sendable {
    let path: String
    private let folder: URL

    init(_ name: String, _ text: String) throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("belfry-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let url = folder.appendingPathComponent(name)
        try Data(text.utf8).write(to: url)
        path = url.path
    }

    deinit {
        try? FileManager.default.removeItem(at: folder)
    }
}
