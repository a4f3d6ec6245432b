/// What becomes of a live message at a splice.
enum LiveVerdict: Equatable {
    case deliver
    /// Kept until the backlog is through.
    case hold
    /// Not now: it was sent before, or PostgreSQL will bring it.
    case drop
}
