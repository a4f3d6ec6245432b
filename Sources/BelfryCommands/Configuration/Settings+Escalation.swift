import BelfryModel
import Webhooks

/// Settings of webhooks that tell the application what is not delivered.
extension Settings {
    static let escalation: [Setting] = [
        .optionalText(
            "escalation.secret", \.escalation.secret, secret: true,
            "What the relay signs webhooks with: `whsec_` and 24 to 64 bytes in base64; two, with a comma in between, "
                + "while one replaces the other. Without it, or the file below, nothing is escalated."),
        .optionalText(
            "escalation.secretFile", \.escalation.secretFile, unit: "path",
            "A file with the same, a line each; it is read again every few seconds."),
        Setting(
            key: "escalation.allowedUrls", unit: "URLs",
            summary: "What the URLs of rules must begin with, such as `https://app.example/hooks/`; when absent an "
                + "operator may have the relay ask any server by https, and its own machine by http.",
            isSecret: false, defaultText: nil
        ) { text, configuration in
            let urls = text.split(separator: ",", omittingEmptySubsequences: false).map { part in
                String(part.drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
            }
            guard (try? WebhookURLRules(allowed: urls)) != nil, !urls.isEmpty else {
                return "a list of URLs without a query, such as https://app.example/hooks/"
            }
            configuration.escalation.allowedURLs = urls
            return nil
        },
        .count(
            "escalation.attemptsMax", \.escalation.attemptsMax, 1...100,
            "Tries of one webhook before it is given up."),
        .duration(
            "escalation.timeout", \.escalation.timeout, .milliseconds(100)...(.seconds(60)),
            "Time for the head of the application's answer to a webhook."),
        .duration(
            "escalation.retryPause", \.escalation.retryPause, .milliseconds(100)...(.seconds(3_600)),
            "Pause before the second try of a webhook; it doubles with each further one, to an hour at most."),
        .count(
            "escalation.connectionsMax", \.escalation.connectionsMax, 1...100, unit: "connections",
            "Webhooks that are under way at once to one server."),
    ]
}
