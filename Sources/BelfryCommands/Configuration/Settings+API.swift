import BelfryModel

extension Settings {
    static let api: [Setting] = [
        .flag(
            "api.earlierPages", \.servesEarlierPages,
            "Whether `/api/notify/history` is served to pages of the design before Belfry; in development mode it is."),
        .count(
            "limits.requestBodyBytesMax", \.limits.requestBodyBytesMax, 65_536...134_217_728, unit: "bytes",
            "A request's body with messages that an application sends, and one line of those that come in lines."),
        .count(
            "limits.requestsInProgressMax", \.limits.requestsInProgressMax, 1...100_000, unit: "requests",
            "Requests to `/api` that one node serves at once."),
        .count(
            "limits.requestsPerUserInProgressMax", \.limits.requestsPerUserInProgressMax, 1...100_000,
            unit: "requests", "The same of one user."),
        .count(
            "limits.requestsPerUserPerSecondMax", \.limits.requestsPerUserPerSecondMax, 0...1_000_000,
            unit: "requests",
            "Requests to `/api` of one user in a second, but for those that send; ten seconds' worth may come at once. "
                + "0 is no limit."),
    ]
}
