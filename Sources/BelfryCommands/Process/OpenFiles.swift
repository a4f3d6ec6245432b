import Foundation

/// This process's file descriptors.
enum OpenFiles {
    /// How many are open; `nil` where the system does not tell.
    static var count: Int? {
        let folder = "/proc/self/fd"
        // From Linux 6.2 on the folder's size is their number ("proc: report open files as size in stat()"); before it
        // is 0, and a list of many thousands is long.
        var status = stat()
        guard stat(folder, &status) == 0 else { return nil }
        if status.st_size > 0 { return Int(status.st_size) }
        return try? FileManager.default.contentsOfDirectory(atPath: folder).count
    }

    /// How many there may be (getrlimit(2), RLIMIT_NOFILE); `nil` for any number.
    static var limit: Int? {
        var limits = rlimit()
        #if canImport(Glibc)
            let kind = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        #else
            let kind = RLIMIT_NOFILE
        #endif
        guard getrlimit(kind, &limits) == 0 else { return nil }
        return Int(exactly: limits.rlim_cur).flatMap { $0 < Int(Int32.max) ? $0 : nil }
    }
}
