import Foundation

/// A folder under /tmp whose parents every user can traverse; removed by `remove()`.
struct TemporaryFolder {
    let url = URL(fileURLWithPath: "/tmp/belfry-test-\(UUID().uuidString)")

    func remove() { try? FileManager.default.removeItem(at: url) }
}
