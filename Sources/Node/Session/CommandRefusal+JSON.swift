import Commands
import Foundation

extension CommandRefusal {
    /// What a client is told where its session goes on.
    var json: String {
        // Only what is no Unicode can't be encoded, and a String is.
        let sentence = (try? Self.encoder.encode(message)).map { String(decoding: $0, as: UTF8.self) } ?? "\"\""
        return "{\"error\":{\"code\":\"\(code.name)\",\"message\":\(sentence)}}"
    }

    private static let encoder = {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .withoutEscapingSlashes
        return encoder
    }()
}

extension CommandRefusal.Code {
    /// Its name in headers and bodies.
    var name: String {
        switch self {
        case .invalid: "invalid"
        case .forbidden: "forbidden"
        default: "unavailable"
        }
    }
}
