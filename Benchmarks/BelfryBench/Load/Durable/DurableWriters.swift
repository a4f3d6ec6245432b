import Floors
import Glibc

/// The threads that write messages as fast as the flow allows: into PostgreSQL, or to RabbitMQ.
final class DurableWriters: Sendable {
    /// One thread's way to write.
    struct Writer {
        /// Writes a batch.
        let write: (MessageBatch) throws -> Void
        /// Waits for what is still under way.
        let finish: () throws -> Void
    }

    private let flow: MessageFlow
    private let task: Task<Void, any Error>

    /// Starts `count` threads.
    ///
    /// - Parameters:
    ///   - batchRows: messages in a transaction.
    ///   - names: the users to write to.
    ///   - open: connects, on the writer's thread.
    ///   - countUncommitted: counts what is not committed as delivered, made on a thread of its own; nil where nothing
    ///     can tell.
    init(
        _ flow: MessageFlow, count: Int, batchRows: Int, names: [[UInt8]],
        open: @escaping @Sendable () throws -> Writer, countUncommitted: (@Sendable () throws -> () throws -> Int)?
    ) {
        self.flow = flow
        flow.setStopping(false)
        task = Task {
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<count {
                    let batch = MessageBatch(names: names, seed: number)
                    group.addTask { try await onOwnThread { try Self.write(batch, batchRows, flow, open) } }
                }
                if let countUncommitted {
                    group.addTask { try await onOwnThread { try Self.watch(flow, try countUncommitted()) } }
                }
                try await group.waitForAll()
            }
        }
    }

    private static func write(
        _ batch: MessageBatch, _ rows: Int, _ flow: MessageFlow, _ open: () throws -> Writer
    ) throws {
        // The others must not go on when one has failed.
        defer { flow.setStopping(true) }
        let writer = try open()
        var batch = batch
        while let first = flow.next(rows) {
            batch.fill(first: first, count: rows)
            try writer.write(batch)
            flow.wrote(rows)
        }
        try writer.finish()
    }

    /// Once a second: often enough for the bound, and too seldom to cost the store anything.
    private static func watch(_ flow: MessageFlow, _ count: () throws -> Int) throws {
        defer { flow.setStopping(true) }
        while !flow.isStopping {
            flow.found(uncommitted: try count())
            usleep(1_000_000)
        }
    }

    /// Ends the threads once their batches are durable.
    ///
    /// - Throws: what a writer failed with.
    func stop() async throws {
        flow.setStopping(true)
        try await task.value
    }
}

extension DurableWriters.Writer {
    /// A writer into `belfry.message_log`: one transaction a batch, of one statement, as an application's would be.
    static func postgres(_ url: String) throws -> DurableWriters.Writer {
        let connection = try BareConnection(url: url)
        try connection.prepare(
            "one",
            "insert into belfry.message_log (receiver, type, data) values ($1, 'STRING_MSG', to_jsonb($2::text))")
        try connection.prepare(
            "many",
            """
            insert into belfry.message_log (receiver, type, data)
            select m.receiver, 'STRING_MSG', to_jsonb(m.data)
            from unnest($1::text[], $2::text[]) as m (receiver, data)
            """)
        return DurableWriters.Writer(
            write: { batch in
                let isOne = batch.count == 1
                let count = try connection.execute(
                    prepared: isOne ? "one" : "many", isOne ? batch.values : batch.arrays
                ).affectedRows
                guard count == batch.count else {
                    throw BenchmarkError("\(count) of \(batch.count) rows were inserted.")
                }
            }, finish: {})
    }

    /// A publisher to RabbitMQ.
    static func rabbitMQ(port: Int) throws -> DurableWriters.Writer {
        let publisher = try RabbitMQPublisher(port: port)
        return DurableWriters.Writer(write: publisher.publish, finish: publisher.finish)
    }
}
