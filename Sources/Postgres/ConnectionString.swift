import CLibpq

/// Reading of connection strings by libpq's own parser.
enum ConnectionString {
    /// The keywords that the string sets.
    /// - Throws: `.invalidConfiguration`, without any part of the string that may be a password.
    static func parse(_ text: String) throws(PostgresError) -> [String: String] {
        guard !text.utf8.contains(0) else {
            throw PostgresError(.invalidConfiguration, "The PostgreSQL URL holds a NUL byte.")
        }
        var message: UnsafeMutablePointer<CChar>?
        guard let options = PQconninfoParse(text, &message) else {
            let reason = message.map { String(cString: $0) } ?? "out of memory"
            PQfreemem(message)
            throw PostgresError(
                .invalidConfiguration,
                "The PostgreSQL URL can't be read: \(redact(reason, of: text)). "
                    + "It has the form postgresql://user:password@host:5432/database?option=value, "
                    + "with special characters percent-encoded.")
        }
        defer { PQconninfoFree(options) }
        let found = dictionary(options)
        try checkPassword(of: text, found)
        return found
    }

    /// A `/` in a password makes libpq read its first part as the port and the rest as the database's name, which would
    /// be shown.
    private static func checkPassword(of text: String, _ found: [String: String]) throws(PostgresError) {
        let ports = (found["port"] ?? "").split(separator: ",")
        let path = text.firstRange(of: "://").map { text[$0.upperBound...].drop { $0 != "/" }.prefix { $0 != "?" } }
        guard ports.allSatisfy({ UInt16($0) != nil }), path?.contains("@") != true else {
            throw PostgresError(
                .invalidConfiguration,
                "The PostgreSQL URL can't be read: its port is not a number, or its database's name contains an @. "
                    + "Special characters of a password must be percent-encoded: / is %2F, @ is %40.")
        }
    }

    /// What PGHOST, PGUSER, … and libpq's defaults say.
    static var environment: [String: String] {
        guard let options = PQconndefaults() else { return [:] }
        defer { PQconninfoFree(options) }
        return dictionary(options)
    }

    private static func dictionary(_ options: UnsafeMutablePointer<PQconninfoOption>) -> [String: String] {
        var found: [String: String] = [:]
        var option = options
        while let keyword = option.pointee.keyword {
            if let value = option.pointee.val { found[String(cString: keyword)] = String(cString: value) }
            option += 1
        }
        return found
    }

    /// libpq quotes the string, or a piece of it: that is left out, but for a query parameter's name that stands
    /// behind every `@` of a string without `password`.
    private static func redact(_ reason: String, of text: String) -> String {
        let pieces = reason.split(separator: "\"", omittingEmptySubsequences: false)
        let mayName = reason.contains("option") || reason.contains("parameter")
        let tail = text.split(separator: "@").last ?? ""
        let shown = pieces.enumerated().map { index, piece -> String in
            guard index % 2 == 1 else { return String(piece) }
            let isName = mayName && !text.contains("password") && text.contains("?") && tail.contains(piece)
            return isName ? "\"\(piece)\"" : "…"
        }
        let line = shown.joined()
        return String(line.reversed().drop { $0.isWhitespace || $0 == "." }.reversed())
    }
}
