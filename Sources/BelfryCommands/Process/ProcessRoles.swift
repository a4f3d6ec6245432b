/// What a process does.
struct ProcessRoles: OptionSet, Sendable {
    let rawValue: Int

    /// Brings committed messages from PostgreSQL to the bus.
    static let relay = ProcessRoles(rawValue: 1)
    /// Serves clients.
    static let node = ProcessRoles(rawValue: 2)

    /// What its sessions are called in `pg_stat_activity`, where `belfry doctor` compares the versions.
    var applicationName: String { "\(name) \(BelfryVersion.current)" }

    /// For logs.
    var name: String {
        switch self {
        case .relay: "belfry relay"
        case .node: "belfry node"
        default: "belfry serve"
        }
    }

    /// As `belfry.process` has it.
    var kind: String {
        switch self {
        case .relay: "relay"
        case .node: "node"
        default: "serve"
        }
    }

    /// What of the process listens.
    var part: String { contains(.node) ? "node" : "relay" }
}
