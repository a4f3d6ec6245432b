import Commands
import Foundation
import HTTPTypes
import Hummingbird
import NIOCore

/// Why a request is not served, as its answer tells it (RFC 9457).
struct Problem: Error {
    let status: HTTPResponse.Status
    /// A short word for programs, behind `urn:belfry:problem:` in the member `type`, and alone in `code`.
    let code: String
    /// A sentence for the developer of the client.
    let detail: String
    var fields: HTTPFields = [:]
    /// Members beside those of the RFC.
    var members: [String: Member] = [:]
    var underlying: (any Error)?

    /// A member's value.
    enum Member: Encodable {
        case number(Int)
        case texts([String])

        func encode(to encoder: any Encoder) throws {
            var container = encoder.singleValueContainer()
            switch self {
            case .number(let number): try container.encode(number)
            case .texts(let texts): try container.encode(texts)
            }
        }
    }

    init(
        _ status: HTTPResponse.Status, _ code: String, _ detail: String, fields: HTTPFields = [:],
        underlying: (any Error)? = nil
    ) {
        self.status = status
        self.code = code
        self.detail = detail
        self.fields = fields
        self.underlying = underlying
    }

    static func invalid(_ detail: String) -> Problem { Problem(.badRequest, "invalid", detail) }

    /// The same with a further sentence.
    func adding(_ sentence: String) -> Problem {
        var problem = Problem(status, code, detail + sentence, fields: fields, underlying: underlying)
        problem.members = members
        return problem
    }

    static let notFound = Problem(.notFound, "notFound", "This user has no such message.")

    /// - Parameter seconds: after which the same may succeed.
    static func later(
        _ status: HTTPResponse.Status, _ code: String, _ detail: String, seconds: Int, underlying: (any Error)? = nil
    ) -> Problem {
        Problem(status, code, detail, fields: [.retryAfter: String(seconds)], underlying: underlying)
    }

    init(_ refusal: CommandRefusal) {
        let detail = refusal.message.prefix(1).uppercased() + refusal.message.dropFirst()
        switch refusal.code {
        case .forbidden: self.init(.forbidden, "forbidden", detail)
        case .conflict: self.init(.unprocessableContent, "conflict", detail)
        case .unavailable:
            self = .later(.serviceUnavailable, "unavailable", detail, seconds: 1, underlying: refusal.underlying)
        // Without Retry-After: only who knows what is done twice may try again.
        case .outcomeUnknown:
            self.init(.serviceUnavailable, "outcomeUnknown", detail, underlying: refusal.underlying)
        default: self.init(.badRequest, "invalid", detail)
        }
    }

    private struct Body: Encodable {
        let problem: Problem

        private struct Key: CodingKey {
            let stringValue: String
            var intValue: Int? { nil }
            init(_ text: String) { stringValue = text }
            init?(stringValue: String) { self.stringValue = stringValue }
            init?(intValue: Int) { nil }
        }

        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: Key.self)
            try container.encode("urn:belfry:problem:\(problem.code)", forKey: Key("type"))
            try container.encode(problem.status.reasonPhrase, forKey: Key("title"))
            try container.encode(problem.status.code, forKey: Key("status"))
            try container.encode(problem.detail, forKey: Key("detail"))
            try container.encode(problem.code, forKey: Key("code"))
            for (name, member) in problem.members { try container.encode(member, forKey: Key(name)) }
        }
    }

    var response: Response {
        var fields = fields
        fields[.contentType] = "application/problem+json"
        fields[.cacheControl] = "no-store"
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let body = (try? encoder.encode(Body(problem: self))) ?? Data()
        return Response(status: status, headers: fields, body: .init(byteBuffer: ByteBuffer(bytes: body)))
    }
}
