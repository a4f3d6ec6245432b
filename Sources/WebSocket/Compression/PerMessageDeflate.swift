/// What client and server agree on about compression by their handshake (RFC 7692, section 7.1).
///
/// No message refers to one before it, in either direction: we say `server_no_context_takeover` and
/// `client_no_context_takeover` whether they were offered or not, as a server may (sections 7.1.1.1 and 7.1.1.2).
public struct PerMessageDeflate: Hashable, Sendable {
    private static let name = "permessage-deflate"

    /// `server_max_window_bits`, if it was offered: from 8 to 15.
    private let serverMaxWindowBits: Int?

    /// How far back a message of ours may refer, as a power of two. zlib makes no window of 8 bits, but with one of 9
    /// it never refers further back than 250 bytes (`MIN_LOOKAHEAD` before its end).
    var windowBits: Int { max(serverMaxWindowBits ?? 15, 9) }

    /// The first offer that can be taken; `nil` when there is none. An offer with a parameter that is unknown, there
    /// twice or misspelt is none (section 7.1).
    ///
    /// - Parameter extensions: what the client offers, the best first.
    public init?(offered extensions: [WebSocketExtension]) {
        guard let accepted = extensions.lazy.compactMap(Self.init(offer:)).first else { return nil }
        self = accepted
    }

    private init?(offer: WebSocketExtension) {
        guard offer.name == Self.name else { return nil }
        var seen: Set<String> = []
        var serverMaxWindowBits: Int?
        for (name, value) in offer.parameters {
            guard seen.insert(name).inserted else { return nil }
            switch (name, value) {
            case ("server_no_context_takeover", nil), ("client_no_context_takeover", nil),
                ("client_max_window_bits", nil):
                break
            // What we inflate may refer back as far as it likes: nothing need be answered.
            case ("client_max_window_bits", let value?):
                guard Self.windowBits(value) != nil else { return nil }
            case ("server_max_window_bits", let value?):
                guard let bits = Self.windowBits(value) else { return nil }
                serverMaxWindowBits = bits
            default: return nil
            }
        }
        self.serverMaxWindowBits = serverMaxWindowBits
    }

    /// The answer's `Sec-WebSocket-Extensions`.
    public var answer: String {
        let window = serverMaxWindowBits.map { "; server_max_window_bits=\($0)" } ?? ""
        return "\(Self.name); server_no_context_takeover; client_no_context_takeover\(window)"
    }

    /// A number from 8 to 15 without leading zeros (section 7.1.2).
    private static func windowBits(_ text: String) -> Int? { (8...15).first { String($0) == text } }
}
