import Floors

/// A log full of messages in the histories of many users, and beside it a table as bare as a list can be.
struct HistoryLog: Sendable {
    /// One of 50 messages is this user's.
    static let largeUser = "user-large"
    private static let largeShare = 50
    /// Messages of every other user.
    static let messagesEach = 50
    /// The highest of all ids.
    static let endOfIDs = Int64.max

    let connection: BareConnection
    /// Messages in it.
    let count: Int

    /// How many messages the user has who has many.
    var largeCount: Int { count / Self.largeShare }

    /// Users by number, a fiftieth of which have no messages: those that `hasMessages` denies.
    var users: Int { count / Self.messagesEach }

    /// Whether a user by number has `messagesEach` messages: the places of the others are the large user's.
    static func hasMessages(_ number: Int) -> Bool { number % largeShare != 0 }

    /// The id of a user.
    static func user(_ number: Int) -> String { "user-\(number)" }

    /// Fills the log of a database that is migrated, without the index for histories.
    ///
    /// - Parameter count: of the messages, a multiple of 2,500.
    init(url: String, count: Int) throws {
        connection = try BareConnection(url: url)
        self.count = count
        try connection.execute(
            "truncate belfry.message_log, belfry.outbox, belfry.parked, belfry.inbox restart identity")
        // As a relay leaves it that is awake: nobody is to be rung.
        try connection.execute("select setval('belfry.doorbell', 2)")
        // Delivered long ago: rows that the trigger has nothing to do with.
        try connection.execute(
            """
            begin;
            drop index if exists belfry.message_log_history;
            alter table belfry.message_log disable trigger user;
            insert into belfry.message_log (receiver, type, data, status, created_at, delivered_at)
            select case when n % \(Self.largeShare) = 0 then '\(Self.largeUser)' else 'user-' || n % \(users) end,
                'STRING_MSG', to_jsonb(lpad(n::text, 12, '0') || repeat('x', \(MessageBatch.textBytes - 12))),
                'delivered', now() - interval '1 day', now() - interval '1 day'
            from generate_series(1, \(count)) n;
            alter table belfry.message_log enable trigger user;
            commit
            """)
    }

    /// Makes the bare tables of what is in the log, and the statistics of all. To be called once there is the index.
    func finish() throws {
        try connection.execute("drop schema if exists bare cascade; create schema bare")
        try connection.execute(
            "create table bare.message as select id, receiver, type, data, created_at from belfry.message_log")
        try connection.execute("create index on bare.message (receiver, id)")
        try connection.execute("create table bare.mark (receiver text primary key, up_to bigint not null)")
        try connection.execute("vacuum analyze belfry.message_log")
        try connection.execute("vacuum analyze bare.message")
        try connection.execute("checkpoint")
    }

    /// The id of the message of a user's that `newer` messages follow.
    func id(of user: String, newer: Int) throws -> Int64 {
        Int64(
            try connection.number(
                "select id from bare.message where receiver = '\(user)' order by id desc limit 1 offset \(newer)"))
    }

    /// Forgets what was marked, and what sessions would have been told of it.
    func forgetMarks() throws {
        try connection.execute("delete from belfry.inbox")
        try connection.execute("delete from belfry.outbox")
    }

    /// Removes the dead rows of a round's marks.
    func settle() throws {
        try connection.execute("vacuum belfry.inbox")
        try connection.execute("vacuum belfry.outbox")
        try connection.execute("vacuum bare.mark")
    }
}
