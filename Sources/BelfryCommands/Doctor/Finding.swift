/// Something that `belfry doctor` saw: a sentence for a person, and the command that mends it.
struct Finding: Sendable, Hashable, Encodable {
    /// How much it matters; the worst one is the command's exit status.
    enum Severity: String, Sendable, CaseIterable, Comparable, Encodable {
        /// As it should be.
        case ok
        /// Worth knowing; nothing has to be done.
        case note
        /// Something is slower, or less safe, than it should be, or soon will be.
        case warning
        /// Messages do not come, or may get lost.
        case critical

        private var rank: Int { Self.allCases.firstIndex(of: self) ?? 0 }

        static func < (left: Severity, right: Severity) -> Bool { left.rank < right.rank }
    }

    /// A word that stays the same from version to version.
    let code: String
    let severity: Severity
    let sentence: String
    /// A line for a shell, or SQL that is run with `psql`; `nil` where nothing has to be done.
    let command: String?

    init(_ code: String, _ severity: Severity, _ sentence: String, mend command: String? = nil) {
        self.code = code
        self.severity = severity
        self.sentence = sentence
        self.command = command
    }
}

extension Finding {
    /// SQL as a line for a shell, by a role that may. Names in it are of others' choosing: within single quotes a shell
    /// runs nothing.
    static func sql(_ statement: String) -> String {
        "psql \"$BELFRY_POSTGRES_URL\" -c '" + statement.replacing("'", with: "'\\''") + "'"
    }

    /// A name in SQL, quoted where it has to be.
    static func identifier(_ name: String) -> String {
        name.wholeMatch(of: /[a-z_][a-z0-9_]*/) != nil
            ? name : "\"" + name.replacing("\"", with: "\"\"") + "\""
    }

    /// A text in SQL.
    static func literal(_ text: String) -> String { "'" + text.replacing("'", with: "''") + "'" }

    /// "1 message", "3 messages".
    static func count(_ number: Int, _ one: String, _ many: String? = nil) -> String {
        "\(number) \(number == 1 ? one : many ?? one + "s")"
    }
}
