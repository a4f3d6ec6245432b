import BelfryModel
import Bus

/// The parts of a `redis://` or `rediss://` URL.
struct RedisURL {
    static let defaultPort = 6379

    var usesTLS = false
    var user: String?
    var password: String?
    var host = ""
    var port = RedisURL.defaultPort
    var database = 0
    var certificateAuthorityFile: String?

    init(parsing url: String) throws(BusError) {
        guard let schemeEnd = url.firstRange(of: "://") else {
            throw Self.invalid("it does not start with redis:// or rediss://")
        }
        switch url[..<schemeEnd.lowerBound].lowercased() {
        case "redis": usesTLS = false
        case "rediss": usesTLS = true
        default: throw Self.invalid("it does not start with redis:// or rediss://")
        }
        let rest = url[schemeEnd.upperBound...]
        guard !rest.contains("#") else {
            throw Self.invalid("it has a '#'; inside a user or password write it as %23")
        }
        let authority = rest.prefix { $0 != "/" && $0 != "?" }
        let pathAndQuery = rest[authority.endIndex...]
        let path = pathAndQuery.prefix { $0 != "?" }
        if let at = authority.lastIndex(of: "@") {
            try parseCredentials(authority[..<at])
            try parseHostAndPort(authority[authority.index(after: at)...])
        } else {
            try parseHostAndPort(authority)
        }
        try parseDatabase(path)
        try parseQuery(pathAndQuery[path.endIndex...].dropFirst())
    }

    private mutating func parseCredentials(_ text: Substring) throws(BusError) {
        guard let colon = text.firstIndex(of: ":") else {
            throw Self.invalid("it has a user without a password; write user:password@ or :password@")
        }
        let user = try Self.decoded(text[..<colon], part: "user")
        let password = try Self.decoded(text[text.index(after: colon)...], part: "password")
        guard !password.isEmpty else {
            throw Self.invalid("its password is empty")
        }
        self.user = user.isEmpty ? nil : user
        self.password = password
    }

    private mutating func parseHostAndPort(_ text: Substring) throws(BusError) {
        var portText: Substring = ""
        if text.first == "[" {
            guard let end = text.firstIndex(of: "]") else {
                throw Self.invalid("its IPv6 address lacks the closing ']'")
            }
            host = String(text[text.index(after: text.startIndex)..<end])
            portText = text[text.index(after: end)...]
        } else if let colon = text.firstIndex(of: ":") {
            host = try Self.decoded(text[..<colon], part: "host")
            portText = text[colon...]
        } else {
            host = try Self.decoded(text, part: "host")
        }
        guard !host.isEmpty, !host.utf8.contains(0) else { throw Self.invalid("it names no host") }
        guard !portText.isEmpty else { return }
        guard portText.first == ":", let port = Self.number(portText.dropFirst()), (1...65535).contains(port) else {
            throw Self.invalid("its port is not a number from 1 to 65535; an IPv6 address needs brackets")
        }
        self.port = port
    }

    private mutating func parseDatabase(_ path: Substring) throws(BusError) {
        let text = path.dropFirst()
        guard !text.isEmpty else { return }
        guard let database = Self.number(text), database <= 1_000_000 else {
            throw Self.invalid("what follows the host and '/' is not the number of a database")
        }
        self.database = database
    }

    private mutating func parseQuery(_ query: Substring) throws(BusError) {
        for item in query.split(separator: "&") {
            let name = item.prefix { $0 != "=" }
            guard name == "ca" else {
                throw Self.invalid("it has the parameter '\(name.prefix(40))'; only 'ca' is known")
            }
            guard usesTLS else { throw Self.invalid("'ca' is allowed with rediss:// only") }
            let file = try Self.decoded(item[name.endIndex...].dropFirst(), part: "parameter 'ca'")
            guard !file.isEmpty else { throw Self.invalid("its parameter 'ca' names no file") }
            certificateAuthorityFile = file
        }
    }

    private static func number(_ text: Substring) -> Int? {
        text.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) } ? Int(text) : nil
    }

    private static func decoded(_ text: Substring, part: String) throws(BusError) -> String {
        guard let bytes = PercentDecoding.bytes(text.utf8) else {
            throw invalid("a '%' in its \(part) is not followed by two hexadecimal digits")
        }
        guard let decoded = String(validating: bytes, as: UTF8.self) else {
            throw invalid("its \(part) is not UTF-8 after percent-decoding")
        }
        return decoded
    }

    private static func invalid(_ reason: String) -> BusError {
        BusError(.invalidConfiguration, "The Redis URL cannot be used: \(reason).")
    }
}
