import Dispatch
import Floors
import Foundation

/// A session that listens, so that a NOTIFY costs what it costs with a relay that is woken by it.
final class NotificationListener: Sendable {
    private let stopSignal: BareStopSignal
    private let ended = DispatchSemaphore(value: 0)

    /// Listens on a channel, on a thread of its own, and takes note of nothing.
    init(postgresURL: String, channel: String) throws {
        let connection = try BareConnection(url: postgresURL)
        try connection.execute("listen \(channel)")
        let stopSignal = try BareStopSignal()
        self.stopSignal = stopSignal
        Thread.detachNewThread { [self] in
            // Ends with the connection, too: then nobody listens any more, and the servers are being stopped.
            while (try? connection.waitForNotification(orReadable: stopSignal.descriptor)) == true {}
            ended.signal()
        }
    }

    /// Ends the thread and the connection.
    func stop() {
        stopSignal.send()
        ended.wait()
    }
}
