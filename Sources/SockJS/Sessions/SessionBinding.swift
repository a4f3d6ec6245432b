import NIOHTTP1

/// What all requests of one session have in common. A client's own script makes the session's id of 40 random bits
/// only, so that an id by itself is no proof: who found one by trying has to come from the same page, with the same
/// browser, and with the session's cookie where there is one.
struct SessionBinding: Hashable, Sendable {
    /// `nil` for what browsers tell no origin of: a GET from a page of our own origin.
    let origin: String?
    let userAgent: String?
    /// Where the service uses a cookie.
    let cookie: String?

    init(_ headers: HTTPHeaders, cookie: String?) {
        origin = headers["origin"].first
        userAgent = headers["user-agent"].first
        self.cookie = cookie
    }

    /// Whether a request may be of the session that began with this one.
    func covers(_ other: SessionBinding) -> Bool {
        let isSameOrigin = origin == nil || other.origin == nil || origin == other.origin
        return isSameOrigin && userAgent == other.userAgent && cookie == other.cookie
    }
}
