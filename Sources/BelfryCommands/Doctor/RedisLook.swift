import BelfryModel
import Bus
import NIOPosix
import RedisBus

/// Asks Redis what `RedisJudge` judges.
struct RedisLook {
    private let configuration: RedisConfiguration
    private let keyPrefix: String
    private let installation: UniqueID?

    /// - Parameter installation: `nil` when the database could not tell.
    /// - Throws: `BusError` for a URL that can't be one.
    init(url: String, keyPrefix: String, installation: UniqueID?) throws(BusError) {
        var configuration = try RedisConfiguration(url: url, keyPrefix: keyPrefix)
        configuration.connectTimeout = .seconds(3)
        configuration.answerTimeout = .seconds(3)
        self.configuration = configuration
        self.keyPrefix = keyPrefix
        self.installation = installation
    }

    /// The authorities that are trusted instead of the system's.
    var certificateAuthorityFile: String? { configuration.certificateAuthorityFile }

    /// - Throws: `BusError` when Redis can't be used.
    func facts() async throws(BusError) -> RedisFacts {
        let names = installation.map { ChannelNames(prefix: keyPrefix, installation: $0).prefix } ?? keyPrefix
        let answers = try await ask([
            ["PUBLISH", "\(names)doctor", ""], ["INFO", "server"], ["CONFIG", "GET", "client-output-buffer-limit"],
            ["TIME"], ["CLIENT", "LIST"], ["INFO", "replication"],
        ])
        var facts = RedisFacts()
        if case .refused(let text) = answers[0] { facts.publishRefusal = text }
        if case .text(let text) = answers[1] {
            facts.version = Self.field("redis_version", of: text)
        } else {
            facts.refused.append("INFO")
        }
        if case .text(let text) = answers[5] { facts.isReplica = Self.field("role", of: text) == "slave" }
        if let pair = answers[2].texts, pair.count == 2 {
            facts.outputBufferLimit = pair[1]
        } else {
            facts.refused.append("CONFIG GET")
        }
        if let parts = answers[3].texts?.compactMap(Double.init), parts.count == 2 {
            facts.time = parts[0] + parts[1] / 1e6
        } else {
            facts.refused.append("TIME")
        }
        if case .text(let list) = answers[4] {
            facts.subscribers = Self.addresses(of: "belfry-subscriber", in: list)
            facts.publishers = Self.addresses(of: "belfry-publisher", in: list)
        } else {
            facts.refused.append("CLIENT LIST")
        }
        await lookForOthers(&facts)
        return facts
    }

    private func ask(_ commands: [[String]]) async throws(BusError) -> [RedisAnswer] {
        try await RedisInspector.ask(commands, configuration, on: MultiThreadedEventLoopGroup.singleton.next())
    }

    /// Redis's patterns know no "not this one", so it is asked for names that differ from ours in the first digit, the
    /// second, and so on: our own channels, of which there may be many, are not sent. One in four thousand million has
    /// the same eight.
    private func lookForOthers(_ facts: inout RedisFacts) async {
        guard let own = installation?.description else { return }
        let patterns = own.prefix(8).indices.map { place in
            "\(Self.escaped(keyPrefix))\(own[..<place])[^\(own[place])]*"
        }
        do {
            let answers = try await ask(patterns.map { ["PUBSUB", "CHANNELS", $0] })
            guard answers.allSatisfy({ $0.texts != nil }) else {
                facts.refused.append("PUBSUB CHANNELS")
                return
            }
            let channels = answers.compactMap(\.texts).flatMap(\.self)
            facts.foreignInstallations = Set(channels.compactMap { installation(of: $0) })
        } catch {
            // More channels than a reply may have for us.
            facts.refused.append("PUBSUB CHANNELS (\(error.message))")
        }
    }

    /// The id in a channel's name; `nil` for what is no channel of Belfry's.
    private func installation(of channel: String) -> String? {
        let rest = channel.dropFirst(keyPrefix.count)
        guard let colon = rest.firstIndex(of: ":"), let id = UniqueID(rest[..<colon]) else { return nil }
        return "\(id)"
    }

    private static func escaped(_ text: String) -> String {
        String(text.flatMap { "*?[]\\^".contains($0) ? ["\\", $0] : [$0] })
    }

    /// Of lines `name:value`.
    private static func field(_ name: String, of text: String) -> String {
        let line = text.split(whereSeparator: \.isNewline).first { $0.hasPrefix("\(name):") }
        return line.map { String($0.dropFirst(name.count + 1)) } ?? ""
    }

    /// Of lines `id=3 addr=127.0.0.1:55 … name=belfry-publisher …`.
    private static func addresses(of name: String, in list: String) -> [String] {
        list.split(whereSeparator: \.isNewline).compactMap { line in
            let words = line.split(separator: " ")
            guard words.contains("name=\(name)"), let address = words.first(where: { $0.hasPrefix("addr=") }) else {
                return nil
            }
            let place = address.dropFirst(5)
            return String(place[..<(place.lastIndex(of: ":") ?? place.endIndex)])
        }
    }
}
