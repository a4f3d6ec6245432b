/// Of which messages it is noted what becomes of them on their way, and for how long: what a setting can change of it.
public struct TraceSettings: Sendable, Hashable {
    /// One in so many messages is traced, by its id, so that all processes agree; 0 is none.
    public var sample = 1_000
    /// A message that has taken longer than this, since it was written, when a process has it, is traced from then on;
    /// zero for none.
    public var slowerThan: Duration = .seconds(10)
    /// Time after which what was noted is deleted; zero notes nothing at all.
    public var keep: Duration = .seconds(3_600)

    public init() {}

    /// Nothing is noted of any message.
    public static var off: TraceSettings {
        var settings = TraceSettings()
        settings.keep = .zero
        return settings
    }

    /// Whether anything may be noted.
    public var isOn: Bool { keep > .zero }
}
