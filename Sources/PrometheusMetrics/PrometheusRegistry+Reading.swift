/// What other parts of the program read of its metrics.
extension PrometheusRegistry {
    /// The value of a counter or a gauge without labels; `nil` when there is none.
    ///
    /// - Parameter name: as it is rendered, such as `belfry_messages_delivered_total`.
    public func value(_ name: String) -> Double? { unlabelled(name)?.readValue }

    /// The counts of a histogram's buckets, each by itself, the last for what is above them all; empty when there is
    /// none.
    ///
    /// - Parameter name: as it is rendered, such as `belfry_delivery_seconds`.
    public func bucketCounts(_ name: String) -> [Int64] {
        (unlabelled(name) as? PrometheusHistogram)?.counts ?? []
    }
}
