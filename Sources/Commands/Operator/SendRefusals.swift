import Outbox
import Synchronization

/// Messages that the schema has refused and that are not told yet, by type: for the console's page of types.
public final class SendRefusals: Sendable {
    /// Types that are remembered at a time; anybody who may send can name others.
    private static let typesMax = 50
    private static let reasonCharactersMax = 500

    private let waiting = Mutex<[String: TypeRefusals]>([:])

    public init() {}

    /// Notes a refusal by the schema. Others mean nothing here.
    ///
    /// - Parameters:
    ///   - types: of the messages that were sent together; the one that the refusal names is counted.
    ///   - via: `http` or `stomp`.
    public func note(_ refusal: CommandRefusal, types: [String], via: String, who: String) {
        guard refusal.code == .invalid, let first = types.first else { return }
        let type =
            Set(types).count == 1 ? first : types.first { refusal.message.contains("\"\($0)\"") }
        guard let type else { return }
        let reason = String(refusal.message.prefix(Self.reasonCharactersMax))
        waiting.withLock { waiting in
            guard waiting[type] != nil || waiting.count < Self.typesMax else { return }
            var entry = waiting[type] ?? TypeRefusals(type: type, count: 0, via: via, who: who, reason: reason)
            entry.count += 1
            (entry.via, entry.who, entry.reason) = (via, who, reason)
            waiting[type] = entry
        }
    }

    /// Those that were noted since this was asked before.
    public func take() -> [TypeRefusals] {
        waiting.withLock { waiting in
            defer { waiting = [:] }
            return waiting.values.sorted { $0.type < $1.type }
        }
    }
}
