import BelfryModel
import Postgres

extension NodeStatements {
    /// `readBacklog` with a count of what is unread for the reads at the places $10: rows behind the first, which says
    /// how many they are. A user's count and page are of one snapshot, as the function is stable.
    ///
    /// Without the index for histories the counts are null, and the pages are there all the same. A lock that an
    /// operator has on the table of marks is waited for some milliseconds; then the statement fails with 55P03. One
    /// that hangs holds up everybody on an event loop, and so is given less time than others.
    ///
    /// Plan: that of `readBacklog`; the function says which index it goes by, and is called once a count: its argument
    /// comes from a subquery that has no row where it is not to be called.
    static let countAndReadBacklog = PostgresStatement(
        "belfry_node_count_and_read_backlog",
        """
        with \(NodeMarkStatements.patience), \(openedSessions)
        select cardinality($10::bigint[])::bigint as place, null::bigint, null::text, null::boolean, null::text,
            \(incarnation), pg_current_snapshot()::text, null::bigint, null::bigint
        union all
        (select w.place, c.changes, null, null, null, null, null, c.unviewed::bigint, c.unseen::bigint
        from unnest($10::bigint[]) as w(place)
        left join lateral (
            select u.unviewed, u.unseen, u.changes
            from (
                select ($4::text[])[w.place::integer] as receiver
                where \(HistoryStatements.isUsable) and (select p.milliseconds from patience p) <> ''
                offset 0
            ) as k
            cross join lateral belfry.unread(k.receiver) as u
        ) as c on true
        order by w.place)
        union all
        \(backlogPages)
        """, timeLimit: .seconds(5))
}
