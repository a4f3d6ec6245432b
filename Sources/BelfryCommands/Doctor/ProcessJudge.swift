import Outbox

/// Judges Belfry's processes by what their sessions are called.
enum ProcessJudge {
    /// - Parameters:
    ///   - facts: sessions of relays and nodes.
    ///   - others: versions that nodes told us, by their URL.
    ///   - own: this program's version.
    static func findings(_ facts: [ProcessFacts], others: [String: String] = [:], own: String) -> [Finding] {
        var places: [String: Set<String>] = [:]
        for fact in facts {
            let words = fact.application.split(separator: " ").map(String.init)
            let version = words.count > 2 ? words[2] : "unknown (older than this program)"
            places[version, default: []].insert(words.prefix(2).joined(separator: " "))
        }
        for (url, version) in others { places[version, default: []].insert(url) }
        var findings: [Finding] = []
        let list = places.sorted { $0.key < $1.key }
            .map { "\($0.key) (\($0.value.sorted().joined(separator: ", ")))" }.joined(separator: "; ")
        if places.count > 1 {
            findings.append(
                Finding(
                    "versions-differ", .warning,
                    "Processes of different versions run: \(list). That is meant for the time of an upgrade only.",
                    mend: "systemctl restart belfry-relay belfry-node  # where the older version runs"))
        } else if let only = places.first, only.key != own {
            findings.append(
                Finding(
                    "version-other", .note,
                    "The processes are of version \(only.key), and this program is \(own).",
                    mend: "belfry --version  # of the program that runs, for the same view of the schema"))
        } else if let only = places.first {
            findings.append(Finding("versions", .ok, "All processes are of version \(only.key)."))
        }
        for user in Set(facts.filter(\.isSuperuser).map(\.user)).sorted() {
            findings.append(
                Finding(
                    "service-superuser", .warning,
                    "Processes of Belfry connect as \"\(user)\", a superuser: a role in belfry_service is enough.",
                    mend: Finding.sql("create role belfry login in role belfry_service")
                        + "  # and use it in BELFRY_POSTGRES_URL"))
        }
        return findings
    }
}
