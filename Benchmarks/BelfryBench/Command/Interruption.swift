import Dispatch
import Foundation
import PrivateServers
import Synchronization

/// Ctrl-C, or being asked to end: the private servers are children in sessions of their own, and must not stay behind.
struct Interruption {
    private static let hasCome = Atomic<Bool>(false)

    private let sources: [any DispatchSourceSignal]

    /// - Parameter folder: what is deleted then.
    init(removing folder: URL?) {
        sources = [SIGINT, SIGTERM].map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler {
                Self.hasCome.store(true, ordering: .relaxed)
                Console.progress("Interrupted: ending the servers.")
                PrivateProgram.killAll()
                if let folder { try? FileManager.default.removeItem(at: folder) }
                exit(128 + number)
            }
            source.resume()
            return source
        }
    }

    /// What fails because the servers are being ended is no failure, and must not end the process before they are gone.
    static func settle() async {
        while hasCome.load(ordering: .relaxed) { try? await Task.sleep(for: .seconds(1)) }
    }

    /// Signals do nothing from now on.
    func cancel() { for source in sources { source.cancel() } }
}
