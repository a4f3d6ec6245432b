/// The name of a function of the page's, as the query of a request tells it.
enum CallbackName {
    /// The script's own are 10 letters long.
    private static let bytesMax = 128

    /// Why a request has none, in the words of the protocol.
    enum Failure: Error {
        case missing
        case invalid

        var text: String {
            switch self {
            case .missing: "\"callback\" parameter required"
            case .invalid: "invalid \"callback\" parameter"
            }
        }
    }

    /// - Parameter query: any text at all.
    /// - Returns: a name that may stand in a script: letters, digits, `-`, `_` and `.`.
    static func parse(query: some StringProtocol) throws(Failure) -> String {
        guard
            let name = FormField.value("c", in: query.utf8) ?? FormField.value("callback", in: query.utf8),
            !name.isEmpty
        else { throw .missing }
        let isValid =
            name.count <= bytesMax
            && name.allSatisfy { byte in
                (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
                    || "-_.".utf8.contains(byte)
            }
        guard isValid else { throw .invalid }
        return String(decoding: name, as: UTF8.self)
    }
}
