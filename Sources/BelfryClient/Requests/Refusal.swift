import Foundation
import STOMP

extension BelfryClientError {
    /// A command was refused: the reply has a header `error`, and a sentence in its body.
    ///
    /// - Returns: `nil` for an answer that is none of that.
    init?(refusal frame: Frame) {
        guard let name = frame.headers["error"] else { return nil }
        let refusal = try? JSONDecoder().decode(Refusal.self, from: Data(frame.body.readableBytesView))
        let code: Code =
            switch name {
            case "invalid": .invalid
            case "forbidden": .forbidden
            default: .unavailable
            }
        self.init(code, refusal?.error.message ?? "The command was refused (\(name)).")
    }

    private struct Refusal: Decodable {
        struct Reason: Decodable { let message: String }
        let error: Reason
    }

    /// The same as an answer to the request for which the server has ended the session.
    var ofRequest: BelfryClientError {
        let code: Code =
            switch self.code {
            case .protocolViolation: .invalid
            case .serverFailed: .unavailable
            default: self.code
            }
        return BelfryClientError(code, message, underlying: underlying, file: file, line: line)
    }
}
