import Authentication
import BelfryModel
import Commands
import Foundation
import HTTPServer
import HTTPTypes
import Hummingbird
import NIOCore

/// A request of a known user, for a route: its parameters, its body.
struct APIRequest: Sendable {
    let identity: Identity
    private let request: Request
    private let context: NodeRequestContext
    private let route: Route

    init(_ request: Request, _ context: NodeRequestContext, identity: Identity, route: Route) {
        self.request = request
        self.context = context
        self.identity = identity
        self.route = route
    }

    func header(_ name: HTTPField.Name) -> String? { request.headers[name] }

    // MARK: The path

    /// A parameter of the path, decoded.
    func parameter(_ name: String) throws(Problem) -> String {
        let raw = context.parameters.get(name) ?? ""
        guard let text = PercentDecoding.bytes(raw.utf8).flatMap({ String(validating: $0, as: UTF8.self) }),
            !text.isEmpty, !text.utf8.contains(0)
        else { throw .invalid("'\(raw.prefix(60))' in the path is no percent-encoded text (RFC 3986).") }
        return text
    }

    /// The message that the path names.
    func messageID() throws(Problem) -> MessageID {
        let text = try parameter("id")
        guard let id = MessageID(text) else {
            throw .invalid("'\(text.prefix(60))' is no message's id: these are numbers from 1 to \(Int64.max).")
        }
        return id
    }

    // MARK: The query

    /// The parameters of the query (application/x-www-form-urlencoded).
    ///
    /// - Parameter names: of all that there may be.
    func query(_ names: String...) throws(Problem) -> [String: String] { try query(names) }

    /// The same of a list of names.
    func query(_ names: [String]) throws(Problem) -> [String: String] {
        var values: [String: String] = [:]
        for pair in (request.uri.query ?? "").split(separator: "&") {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = Self.decoded(parts[0]), let value = Self.decoded(parts.count > 1 ? parts[1] : "") else {
                throw .invalid("'\(pair.prefix(60))' in the query is no percent-encoded text (RFC 3986).")
            }
            guard names.contains(name) else {
                throw .invalid(
                    "There is no parameter '\(name.prefix(60))'"
                        + (names.isEmpty ? "." : "; there are \(names.joined(separator: ", "))."))
            }
            guard values.updateValue(value, forKey: name) == nil else {
                throw .invalid("The parameter '\(name)' is there twice.")
            }
        }
        return values
    }

    private static func decoded(_ text: Substring) -> String? {
        PercentDecoding.bytes(text.utf8, plusIsBlank: true).flatMap { String(validating: $0, as: UTF8.self) }
    }

    // MARK: The body

    /// The body of a request with JSON.
    ///
    /// - Parameter bytesMax: of it.
    func json(upTo bytesMax: Int = 64 * 1024) async throws(Problem) -> ByteBuffer {
        try requireType("application/json")
        try requireNoEncoding()
        return try await body(upTo: bytesMax)
    }

    /// Whether its content is of a media type, whatever its parameters.
    func isOf(type: String) -> Bool {
        let value = header(.contentType) ?? ""
        return value.prefix { $0 != ";" }.trimmingCharacters(in: .whitespaces).lowercased() == type
    }

    /// A page of another origin can't have a browser send this type without asking first.
    func requireType(_ type: String) throws(Problem) {
        guard isOf(type: type) else {
            throw Problem(
                .unsupportedMediaType, "unsupportedMediaType", "Send \(type), and name it in Content-Type.")
        }
    }

    /// What is compressed is not read (RFC 9110, section 12.5.3 asks for the field in the answer).
    private func requireNoEncoding() throws(Problem) {
        let encodings = request.headers[values: .contentEncoding].joined(separator: ",").split(separator: ",")
            .map { $0.trimmingCharacters(in: .whitespaces).lowercased() }
        guard encodings.allSatisfy({ $0.isEmpty || $0 == "identity" }) else {
            var problem = Problem(
                .unsupportedMediaType, "unsupportedMediaType", "Send the body as it is, without Content-Encoding.")
            problem.fields[.acceptEncoding] = "identity"
            throw problem
        }
    }

    /// Of a request that says all by its path: `{}` or no body. Another one asks for what would not be done, such as a
    /// dry run.
    func requireNoBody() async throws(Problem) {
        let refusal = Problem.invalid("This request takes no body: its path says all that there is to say.")
        let text: String
        do {
            text = String(buffer: try await body(upTo: 1024)).filter { !$0.isWhitespace }
        } catch {
            throw error.status == .contentTooLarge ? refusal : error
        }
        guard text.isEmpty || text == "{}" else { throw refusal }
    }

    private func body(upTo bytesMax: Int) async throws(Problem) -> ByteBuffer {
        let declared = header(.contentLength).flatMap { Int($0) } ?? 0
        var body = ByteBuffer()
        var isTooLarge = declared > bytesMax
        if !isTooLarge {
            do {
                for try await part in request.body {
                    guard body.readableBytes + part.readableBytes <= bytesMax else {
                        isTooLarge = true
                        break
                    }
                    body.writeImmutableBuffer(part)
                }
            } catch {
                throw Problem(.badRequest, "invalid", "The request broke off.", underlying: error)
            }
        }
        guard !isTooLarge else { throw Self.tooLarge(bytesMax) }
        return body
    }

    static func tooLarge(_ bytesMax: Int) -> Problem {
        Problem(.contentTooLarge, "tooLarge", "The body may have \(bytesMax) bytes.")
    }

    /// The parts of a body without an encoding, as they come.
    func parts() throws(Problem) -> RequestBody {
        try requireNoEncoding()
        return request.body
    }

    // MARK: Answers

    /// An answer with JSON.
    func answer(_ json: String, status: HTTPResponse.Status = .ok, fields: HTTPFields = [:]) -> Response {
        var fields = fields
        fields[.contentType] = "application/json"
        if fields[.cacheControl] == nil { fields[.cacheControl] = "no-store" }
        return Response(status: status, headers: fields, body: .init(byteBuffer: ByteBuffer(string: json)))
    }

    /// The same of what may be asked for again and again: 304 when it is what the client has (RFC 9110, section
    /// 13.1.2).
    func answerToPoll(_ json: String, fields: HTTPFields = [:]) -> Response {
        let tag = EntityTag(of: json)
        var fields = fields
        fields[.eTag] = tag.description
        fields[.cacheControl] = "private, no-cache"
        if tag.isAmong(request.headers[values: .ifNoneMatch]) {
            return Response(status: .notModified, headers: fields)
        }
        return answer(json, fields: fields)
    }
}

/// What a text is known by (RFC 9110, section 8.8.3): weak, as it says that the JSON is the same and nothing of its
/// bytes.
struct EntityTag: CustomStringConvertible {
    private let opaque: String

    init(of text: String) { opaque = Digest.hexadecimal(of: text) }

    var description: String { "W/\"\(opaque)\"" }

    /// - Parameter values: of `If-None-Match`.
    func isAmong(_ values: [String]) -> Bool {
        values.flatMap { $0.split(separator: ",") }.contains { member in
            let member = member.trimmingCharacters(in: .whitespaces)
            return member == "*" || member == "\"\(opaque)\"" || member == description
        }
    }
}
