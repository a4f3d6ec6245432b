import Authentication
import Foundation

/// Logins with their passwords' hashes and their rights, from a file of lines
/// `login:$scrypt$… subscribe=/topic/news send=/user/**`.
///
/// `subscribe=` and `send=` stand as often as there are patterns, `subscribe=none` for no topic; without them a login
/// has the rights of a token that says nothing. Empty lines, and lines that begin with `#`, mean nothing.
public struct PasswordList: Sendable {
    /// Bytes of a file at most.
    static let bytesMax = 1024 * 1024
    /// Logins at most.
    static let loginsMax = 10_000

    struct Entry: Sendable {
        let identity: Identity
        let hash: PasswordHash
    }

    private let entries: [[UInt8]: Entry]
    /// Stands in for the hash of a login that is not there, and costs as much as the costliest one.
    let nobody: PasswordHash

    /// How many logins there are.
    public var count: Int { entries.count }

    /// By its bytes, as a user's id is compared everywhere.
    func entry(_ login: String) -> Entry? { entries[Array(login.utf8)] }

    /// - Throws: what is wrong, with the number of the line.
    public init(file path: String) throws(PasswordListError) {
        let data: Data
        do {
            data = try Data(contentsOf: URL(fileURLWithPath: path))
        } catch {
            throw PasswordListError("The file '\(path)' (passwords) can't be read: \(error.localizedDescription)")
        }
        guard data.count <= Self.bytesMax, let text = String(validating: data, as: UTF8.self) else {
            throw PasswordListError("The file '\(path)' (passwords) is not text of at most \(Self.bytesMax) bytes.")
        }
        try self.init(text, named: path)
    }

    init(_ text: String, named path: String) throws(PasswordListError) {
        var entries: [[UInt8]: Entry] = [:]
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let words = line.split(whereSeparator: \.isWhitespace)
            guard let first = words.first, !first.hasPrefix("#") else { continue }
            let place = "Line \(index + 1) of '\(path)'"
            guard let entry = Self.entry(first, rights: words.dropFirst()) else {
                throw PasswordListError(
                    "\(place) is not 'login:$scrypt$…' with 'subscribe=' and 'send=' behind it, as `belfry password` "
                        + "makes it.")
            }
            guard entries.updateValue(entry, forKey: Array(entry.identity.user.utf8)) == nil else {
                throw PasswordListError("\(place) has a login that stands in a line before it.")
            }
            guard entries.count <= Self.loginsMax else {
                throw PasswordListError("'\(path)' has more than \(Self.loginsMax) logins.")
            }
        }
        self.entries = entries
        let costs = entries.values.map(\.hash.cost)
        nobody = .ofNothing(cost: costs.max { $0.work < $1.work } ?? PasswordHash.Cost())
    }

    private static func entry(_ word: Substring, rights: ArraySlice<Substring>) -> Entry? {
        guard let colon = word.firstIndex(of: ":") else { return nil }
        let login = String(word[..<colon])
        guard Identity.isValid(user: login), let hash = PasswordHash(word[word.index(after: colon)...]),
            let rights = Self.rights(rights)
        else { return nil }
        return Entry(identity: Identity(user: login, rights: rights), hash: hash)
    }

    private static func rights(_ words: ArraySlice<Substring>) -> Rights? {
        var topics: [String]?
        var sends: [String] = []
        var operatorRight = OperatorRight.none
        for word in words {
            if word == "subscribe=none" {
                topics = topics ?? []
            } else if word.hasPrefix("subscribe=") {
                topics = (topics ?? []) + [String(word.dropFirst("subscribe=".count))]
            } else if word.hasPrefix("send=") {
                sends.append(String(word.dropFirst("send=".count)))
            } else if word == "operator" {
                operatorRight = .act
            } else if word == "operator=view" {
                operatorRight = max(operatorRight, .view)
            } else {
                return nil
            }
        }
        guard let sends = Rights.patterns(sends) else { return nil }
        guard let topics else { return Rights(sends: sends, operatorRight: operatorRight) }
        return Rights.patterns(topics).map { Rights(topics: $0, sends: sends, operatorRight: operatorRight) }
    }

    /// The line of a login.
    public static func line(
        login: String, hash: PasswordHash, subscribe: [String]?, send: [String], operatorRight: OperatorRight = .none
    ) -> String {
        let topics = subscribe.map { $0.isEmpty ? [" subscribe=none"] : $0.map { " subscribe=\($0)" } } ?? []
        let word =
            switch operatorRight {
            case .none: ""
            case .view: " operator=view"
            case .act: " operator"
            }
        return "\(login):\(hash)" + topics.joined() + send.map { " send=\($0)" }.joined() + word
    }
}

/// Why a list of logins can't be used; a sentence for the operator, without a hash.
public struct PasswordListError: Error, Sendable, CustomStringConvertible {
    public let description: String

    init(_ description: String) { self.description = description }
}
