/// The version of this program.
enum BelfryVersion {
    static let current = "0.1.0"
}
