import Commands

/// What the demo page may do in development mode.
public struct DevelopmentRoutes: Sendable {
    /// A shell line that inserts a notification, for the page to show.
    let psql: String
    public let notify: SendNotification

    public init(psql: String, notify: SendNotification) {
        self.psql = psql
        self.notify = notify
    }
}
