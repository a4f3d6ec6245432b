/// Where a node listens, who is let in, and how it ends.
extension Settings {
    static let listening: [Setting] = [
        .address("listen", \.listen, "Where the node serves HTTP and WebSocket; port 0 takes a free one."),
        .optionalAddress(
            "stomp.listen", \.stompListen, "Where the node serves STOMP over TCP; nowhere when absent."),
        .flag(
            "console.enabled", \.consoleEnabled,
            "Serves the operators' console under `/console`, for tokens with the claim `belfry.operator`; with `auth` "
                + "`dev` on loopback only."),
        .optionalAddress(
            "console.listen", \.consoleListen,
            "Where the console is served, and only there; at `listen` when absent."),
        .list(
            "allowedOrigins", \.allowedOrigins, unit: "origins",
            "Origins of pages that may connect beside those of the host that they ask for, such as "
                + "https://app.example; `*` is any."),
        .addressRanges(
            "trustedProxies", \.trustedProxies,
            "Addresses of proxies that are believed when they tell whose connections they pass on, such as "
                + "10.0.0.0/8,fd00::/8."),
        .choice(
            "forwardedHeader", \.forwardedHeader,
            "Where trusted proxies tell it in HTTP: in `X-Forwarded-For`, `-Host` and `-Proto`, or in `Forwarded`."),
        .flag(
            "proxyProtocol.http", \.proxyProtocolHTTP,
            "Trusted proxies begin each connection to `listen` with a PROXY header of version 2; nobody else may."),
        .flag(
            "proxyProtocol.stomp", \.proxyProtocolSTOMP, "The same for connections to `stomp.listen`."),
    ]

    static let tls: [Setting] = [
        .optionalText(
            "tls.certificates", \.tlsCertificates, unit: "path",
            "A PEM file with the certificate and those of the authorities in between; with it the node speaks TLS."),
        .optionalText("tls.key", \.tlsKey, unit: "path", "A PEM file with the certificate's private key."),
        .optionalText("tls.keyPassword", \.tlsKeyPassword, secret: true, "The key's password, if it has one."),
        .choice("tls.minimumVersion", \.tlsMinimumVersion, "The oldest version of TLS that is spoken."),
        .flag("tls.http", \.tlsHTTP, "Whether, with a certificate, TLS is spoken at `listen`."),
        .flag("tls.stomp", \.tlsSTOMP, "Whether, with a certificate, TLS is spoken at `stomp.listen`."),
        .duration(
            "tls.reloadInterval", \.tlsReloadInterval, .milliseconds(100)...(.seconds(86_400)),
            "Pause between two looks at the files: they are read again once they have changed and then been left alone "
                + "for so long."),
    ]

    static let connectionLimits: [Setting] = [
        .count(
            "limits.connectionsMax", \.limits.connectionsMax, 1...10_000_000, unit: "connections",
            "Connections open on one node, sessions and others: more than `limits.sessionsMax`."),
        .count(
            "limits.connectionsPerSecondMax", \.limits.connectionsPerSecondMax, 0...1_000_000, unit: "a second",
            "Connections that one node takes a second; those of ten seconds may come at once; 0 is no limit."),
        .count(
            "limits.connectionsPerAddressMax", \.limits.connectionsPerAddressMax, 1...10_000_000, unit: "connections",
            "Connections open of one address (of IPv6: of 64 bits); not of this machine and of trusted proxies, whose "
                + "clients count."),
        .count(
            "limits.connectionsPerAddressPerSecondMax", \.limits.connectionsPerAddressPerSecondMax, 0...1_000_000,
            unit: "a second",
            "Connections that one address may make a second; those of ten seconds may come at once; 0 is no limit."),
        .duration(
            "limits.openingTimeout", \.limits.openingTimeout, .milliseconds(100)...(.seconds(600)),
            "Time for a PROXY header and the TLS handshake together."),
        .duration(
            "limits.firstRequestTimeout", \.limits.firstRequestTimeout, .milliseconds(100)...(.seconds(600)),
            "Time from there to the end of the head of the first HTTP request."),
        .count(
            "limits.requestHeadBytesMax", \.limits.requestHeadBytesMax, 1_024...1_048_576, unit: "bytes",
            "The head of an HTTP request."),
        .count(
            "limits.requestHeaderBytesMax", \.limits.requestHeaderBytesMax, 256...1_048_576, unit: "bytes",
            "One line of it."),
        .count("limits.requestHeadersMax", \.limits.requestHeadersMax, 8...10_000, "Header lines of it."),
        .duration(
            "limits.requestTimeout", \.limits.requestTimeout, .milliseconds(100)...(.seconds(3_600)),
            "Time from the end of a request's head to the end of the request."),
        .duration(
            "limits.answerTimeout", \.limits.answerTimeout, .milliseconds(100)...(.seconds(3_600)),
            "Time from there to the end of its answer."),
        .count(
            "limits.requestsPerConnectionMax", \.limits.requestsPerConnectionMax, 1...1_000_000, unit: "requests",
            "Requests that one connection may bring; then it is closed."),
        .duration(
            "limits.idleTimeout", \.limits.idleTimeout, .milliseconds(100)...(.seconds(3_600)),
            "Time without a request after which a connection is closed."),
        .duration(
            "limits.drainPause", \.limits.drainPause, .zero...(.seconds(600)),
            "At its end: how long a node says that it is not ready, and still takes connections."),
        .duration(
            "limits.drainSpread", \.limits.drainSpread, .zero...(.seconds(3_600)),
            "Then: how long it takes to close its sessions at most; a second for a hundred, where that is less."),
    ]
}
