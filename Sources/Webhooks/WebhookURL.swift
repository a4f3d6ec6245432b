/// Where a webhook may go. Read strictly, so that whoever connects reads the same host in it as who allowed it.
public struct WebhookURL: Hashable, Sendable {
    public let scheme: String
    /// In lower case; an IPv6 address in its brackets.
    public let host: String
    public let port: Int
    /// With its first slash; without the query.
    public let path: String

    /// What goes to the same server.
    public var endpoint: String { "\(scheme)://\(host):\(port)" }

    /// `nil` for what is no absolute URL by http or https, holds a user, a fragment, or a path that leads upwards.
    public init?(_ text: String) {
        let form =
            #/
            (?<scheme>https?)://
            (?<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._\-]+)
            (?::(?<port>[0-9]{1,5}))?
            (?<path>/[A-Za-z0-9._~!$&'()*+,;=:@%/\-]*)?
            (?:\?[A-Za-z0-9._~!$&'()*+,;=:@%/?\-]*)?
            /#
        guard let match = text.wholeMatch(of: form)?.output else { return nil }
        scheme = String(match.scheme)
        host = match.host.lowercased()
        path = match.path.map(String.init) ?? "/"
        port = match.port.map { Int($0) ?? 0 } ?? (scheme == "https" ? 443 : 80)
        guard (1...65_535).contains(port) else { return nil }
        // Encoded, they mean the same to many servers.
        let plain = path.lowercased().replacing("%2e", with: ".").replacing("%2f", with: "/")
        guard !plain.contains("%5c"), !plain.split(separator: "/").contains(where: { $0 == "." || $0 == ".." })
        else { return nil }
    }

    /// Whether it is a name of this machine that cannot mean another.
    public var isLoopback: Bool {
        host == "localhost" || host == "[::1]" || host.wholeMatch(of: /127\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}/) != nil
    }

    /// Whether a URL lies under this one: the same server, and a path that is the same or goes on behind a slash.
    func covers(_ url: WebhookURL) -> Bool {
        guard endpoint == url.endpoint, url.path.hasPrefix(path) else { return false }
        return path.hasSuffix("/") || url.path.count == path.count || url.path.dropFirst(path.count).hasPrefix("/")
    }
}

/// Which URLs the relay asks: the rule is written in SQL, by a role that may not have it ask whatever it reaches.
public struct WebhookURLRules: Sendable {
    private let allowed: [WebhookURL]?

    /// - Parameter prefixes: empty for any server by https, and this machine.
    /// - Throws: the first prefix that is no URL.
    public init(allowed prefixes: [String]) throws(WebhookProblem) {
        guard !prefixes.isEmpty else {
            allowed = nil
            return
        }
        var urls: [WebhookURL] = []
        for prefix in prefixes {
            guard let url = WebhookURL(prefix), !prefix.contains("?") else {
                throw WebhookProblem(
                    "escalation.allowedUrls holds '\(prefix)', which is no URL such as https://app.example/hooks.")
            }
            urls.append(url)
        }
        allowed = urls
    }

    /// The server that a URL names, or a sentence that says why it is not asked.
    public func judge(_ text: String) -> Result<WebhookURL, WebhookProblem> {
        guard let url = WebhookURL(text) else {
            return .failure(WebhookProblem("The relay does not ask '\(text.prefix(200))': it is no plain https URL."))
        }
        guard url.scheme == "https" || url.isLoopback else {
            return .failure(
                WebhookProblem("The relay does not ask \(url.endpoint): webhooks go by https, but to this machine."))
        }
        if allowed.map({ $0.contains { $0.covers(url) } }) ?? true { return .success(url) }
        return .failure(
            WebhookProblem(
                "The relay does not ask '\(text.prefix(200))': its setting escalation.allowedUrls does not name it."))
    }
}
