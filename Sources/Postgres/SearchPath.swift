/// Where a session looks for the functions, operators and tables that a statement does not qualify: in PostgreSQL's own
/// schema. With `public` in the path whoever may create there could put a function of his in the place of PostgreSQL's,
/// and the session would run it with its own rights.
enum SearchPath {
    private static let value = "pg_catalog, pg_temp"

    /// For the startup packet. A space would end the option.
    static let startupOption = "-c search_path=" + value.replacing(" ", with: "\\ ")

    /// Sets it until the end of the transaction, so that behind a pooler nobody else inherits it.
    static let hold = "select pg_catalog.set_config('search_path', '\(value)', true)"

    /// Asks for the path of this session and where it comes from. Every name is qualified: the answer is not known yet.
    static let query = """
        select s.setting, s.source from pg_catalog.pg_show_all_settings() s
        where s.name operator(pg_catalog.=) 'search_path'::pg_catalog.text
        """

    /// Whether an answer to `query` says that the session has the path since its start, because we asked for it. From
    /// elsewhere it says nothing of a pooler's other sessions: somebody may have set it in this one, or the database's
    /// owner in the database's settings, for the time being.
    static func isHeld(_ answer: PostgresResult) -> Bool {
        answer.string(0, 0).replacing(" ", with: "") == value.replacing(" ", with: "")
            && answer.string(0, 1) == "client"
    }
}
