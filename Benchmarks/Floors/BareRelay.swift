import Foundation
import Synchronization

/// The least relay: LISTEN, DELETE … RETURNING, pipelined PUBLISH, COMMIT when Redis has answered, back to LISTEN.
///
/// It gives no order between transactions, loses nothing while one relay runs, and knows of no acknowledgement.
public final class BareRelay: Sendable {
    /// Rows of one transaction.
    public static let batchRows = 1_000

    /// Its table, to be made anew.
    public static let schema = """
        drop table if exists bare_outbox;
        create table bare_outbox (
            id bigint generated always as identity primary key,
            channel text not null,
            body text not null
        ) with (
            autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0
        );
        """

    /// A writer's statement, with channel and body: it notifies in the same statement, which is quicker than a trigger.
    public static let insert = """
        with written as (insert into bare_outbox (channel, body) values ($1, $2))
        select pg_notify('bare_outbox', '')
        """

    private let stopSignal: BareStopSignal
    private let failure = Mutex<BareError?>(nil)
    private let ended = DispatchSemaphore(value: 0)

    /// Connects and starts the relay's thread.
    public init(postgresURL: String, database: String?, redisURL: String) throws(BareError) {
        let postgres = try BareConnection(url: postgresURL, database: database)
        let redis = try BareRedis(url: redisURL)
        // A claim that is lost in a crash is published once more, which an outbox allows for: no wait for the disk. The
        // table is mostly empty when the claim is planned, and must not be read as a whole when it is not.
        try postgres.execute("set synchronous_commit = off; set enable_seqscan = off; listen bare_outbox")
        // By an array of ids: a third quicker than `id in (select … for update skip locked)`, which lets relays share.
        try postgres.execute(
            """
            prepare claim as delete from bare_outbox
            where id = any(array(select id from bare_outbox order by id limit \(Self.batchRows)))
            returning channel, body
            """)
        stopSignal = try BareStopSignal()
        Thread.detachNewThread { [self] in
            do throws(BareError) {
                try run(postgres, redis)
            } catch {
                failure.withLock { $0 = error }
            }
            ended.signal()
        }
    }

    /// Ends the thread after its present batch, waits for that, and throws what it failed of.
    public func stop() throws(BareError) {
        stopSignal.send()
        ended.wait()
        if let error = failure.withLock({ $0 }) { throw error }
    }

    private func run(_ postgres: BareConnection, _ redis: BareRedis) throws(BareError) {
        repeat {
            while try relayBatch(postgres, redis) == Self.batchRows {}
        } while try postgres.waitForNotification(orReadable: stopSignal.descriptor)
    }

    /// Returns how many rows there were.
    private func relayBatch(_ postgres: BareConnection, _ redis: BareRedis) throws(BareError) -> Int {
        // What rang before the claim's snapshot is in the claim.
        _ = postgres.takeNotifications()
        let batch = try postgres.execute("begin; execute claim")
        for row in 0..<batch.rowCount {
            redis.appendPublish(channel: batch.bytes(row, 0), message: batch.bytes(row, 1))
        }
        for _ in 0..<batch.rowCount { try redis.nextReply { _ in } }
        try postgres.execute("commit")
        return batch.rowCount
    }
}
