/// From where on something is worth a finding.
struct DoctorThresholds: Sendable {
    /// Seconds that a transaction has been open.
    var transactionSeconds = 60.0
    /// Of a transaction whose age is hidden: transactions that were begun since.
    var hiddenTransactionAge = 100_000
    /// Dead rows of a table, beside twice what autovacuum waits for.
    var deadRows = 10_000.0
    /// Bytes of a table or index; smaller ones may be as loose as they like.
    var bloatBytes = 100.0 * 1024 * 1024
    /// How many times larger than its rows need a table or index is.
    var bloatFactor = 5.0
    /// Bytes of write-ahead log that a slot nobody reads keeps.
    var slotBytes = 1024.0 * 1024 * 1024
    /// The age of the oldest message that is not published.
    var lagSeconds = 10.0
    /// A node's silence: it has a heart-beat every two seconds.
    var nodeSilenceSeconds = 10.0
    /// What a process says of itself every ten seconds is missing for so long.
    var processSilenceSeconds = 30.0
    /// How long an application may have accepted no webhook.
    var escalationFailingSeconds = 300.0
    /// How far apart clocks may be.
    var clockSeconds = 2.0
    /// Days before a certificate expires.
    var certificateDays = 14.0
    /// Shares of a limit of connections or file descriptors.
    var crowdedShare = 0.8
    var fullShare = 0.95
    /// Rows of the outbox and of the log in which disagreements are looked for.
    var outboxRows = 20_000
    var logRows = 20_000
}
