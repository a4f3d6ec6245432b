/// What a user may see and do of what is others': messages, sessions, jobs.
public enum OperatorRight: String, Sendable, Hashable, Comparable {
    /// Nothing.
    case none
    /// See it.
    case view
    /// See it, and act: replay, cancel, disconnect, change types.
    case act

    private var rank: Int {
        switch self {
        case .none: 0
        case .view: 1
        case .act: 2
        }
    }

    public static func < (left: OperatorRight, right: OperatorRight) -> Bool { left.rank < right.rank }
}

/// As a token or an application says it: `true` or `"act"`, `"view"`, `false`.
extension OperatorRight: Decodable {
    /// - Throws: `DecodingError` for anything else: a right that can't be read is not to be guessed.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let isOperator = try? container.decode(Bool.self) {
            self = isOperator ? .act : .none
        } else if let right = OperatorRight(rawValue: try container.decode(String.self)), right != .none {
            self = right
        } else {
            throw DecodingError.dataCorruptedError(
                in: container, debugDescription: "it is none of true, false, \"view\" and \"act\"")
        }
    }
}
