/// Destinations that a right is given for, such as `/topic/orders/*`.
///
/// A pattern is a destination in segments between slashes; a segment `*` stands for any one segment, and `**` as the
/// last one for one segment or more. Everything else stands for itself, byte for byte.
public struct DestinationPattern: Hashable, Sendable, CustomStringConvertible {
    /// Bytes of a pattern at most: the longest destination has fewer.
    public static let bytesMax = 1024

    /// As it was written.
    public let description: String

    /// - Parameter text: any text at all.
    /// - Returns: `nil` for what is no pattern: no slash at the start, too long, an asterisk that is neither of the
    ///   two, a `**` before the end.
    public init?(_ text: String) {
        guard text.utf8.first == UInt8(ascii: "/"), text.utf8.count <= Self.bytesMax else { return nil }
        let segments = Self.segments(of: text)
        for (index, segment) in segments.enumerated() where segment.contains(UInt8(ascii: "*")) {
            let isLast = index == segments.count - 1
            guard Self.isOne(segment) || Self.isRest(segment) && isLast else { return nil }
        }
        description = text
    }

    /// Whether a destination is one of those that the pattern stands for.
    public func matches(_ destination: String) -> Bool {
        let segments = Self.segments(of: destination)
        let pattern = Self.segments(of: description)
        for (index, wanted) in pattern.enumerated() {
            guard index < segments.count else { return false }
            if Self.isRest(wanted) { return true }
            guard Self.isOne(wanted) || wanted.elementsEqual(segments[index]) else { return false }
        }
        return pattern.count == segments.count
    }

    private static func segments(of text: String) -> [Substring.UTF8View] {
        text.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
    }

    private static func isOne(_ segment: Substring.UTF8View) -> Bool { segment.elementsEqual("*".utf8) }
    private static func isRest(_ segment: Substring.UTF8View) -> Bool { segment.elementsEqual("**".utf8) }
}
