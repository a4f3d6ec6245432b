/// Settings of who a session belongs to.
extension Settings {
    static let authentication: [Setting] = [
        .choice(
            "auth", \.authentication,
            "How a session proves who its user is: `jwt` by a signed token, `http` by what the application says when "
                + "it is asked, `password` by a login of the list `passwords` alone, `dev` by naming the user (for "
                + "development only)."),
        .flag(
            "devBeyondLoopback", \.devBeyondLoopback,
            "Lets a node with `auth` `dev` listen on an address that other machines can reach, where anybody can be "
                + "any user; without it such a node does not start."),
        .optionalText(
            "jwt.secret", \.jwtSecret, secret: true,
            "The secret that tokens are signed with: HS256 (at least 32 bytes), HS384 (48) or HS512 (64)."),
        .optionalText(
            "jwt.keys", \.jwtKeys, unit: "path",
            "A file with public keys: PEM (RS256, ES256, ES384, ES512, EdDSA) or a JWKS; read again when it "
                + "has changed."),
        .url(
            "jwt.keysUrl", \.jwtKeysURL, schemes: ["https", "http"],
            "Where the issuer publishes its keys as a JWKS; fetched from time to time, and when a token names a key "
                + "that is not known."),
        .duration(
            "jwt.keysRefresh", \.jwtKeysRefresh, .seconds(10)...(.seconds(86_400)),
            "Pause between two fetches of `jwt.keysUrl`; a key that the issuer has withdrawn holds no longer than "
                + "that."),
        .optionalText("jwt.issuer", \.jwtIssuer, "What a token's `iss` must be; not checked when absent."),
        .optionalText(
            "jwt.audience", \.jwtAudience, "What a token's `aud` must be or contain; not checked when absent."),
        .flag(
            "jwt.requireExpiry", \.jwtRequireExpiry,
            "Refuses tokens without `exp`; otherwise they, and their sessions, never expire."),
        .optionalText(
            "passwords", \.passwords, unit: "path",
            "A file of logins with hashed passwords, for clients that send `login` and `passcode`: lines that "
                + "`belfry password` makes; read again when it has changed."),
        .url(
            "httpAuth.url", \.httpAuthURL, schemes: ["https", "http"],
            "Where the application says who a client is, with `auth` `http`."),
        .list(
            "httpAuth.headers", \.httpAuthHeaders, unit: "text",
            "Headers of CONNECT, or else of the HTTP request, that the application is asked with; Authorization and "
                + "Cookie when absent."),
        .duration(
            "httpAuth.cacheFor", \.httpAuthCacheFor, .zero...(.seconds(3_600)),
            "How long the application's good answers are used again for the same headers; 0s for not at all."),
        .count(
            "httpAuth.connectionsMax", \.httpAuthConnectionsMax, 1...1_000, unit: "connections",
            "Questions to the application that are under way at once."),
        .duration(
            "authTimeout", \.authTimeout, .milliseconds(100)...(.seconds(60)),
            "Time for an answer of the issuer or of the application."),
    ]
}
