import Authentication
import Foundation

/// The header fields with which the application is asked.
enum ForwardedFields {
    /// Bytes of all values together at most: what servers take as a request's head.
    static let bytesMax = 16 * 1024

    /// Those of a client's, by name, in the order of the names.
    ///
    /// `Authorization` is made of whatever the client showed: its token as `Bearer`, its login and passcode as `Basic`,
    /// else what it sent there, else the field of its HTTP request.
    ///
    /// - Throws: when a value can't stand in a header field, or there is nothing to ask about.
    static func make(
        of credentials: Credentials, named names: [String]
    ) throws(AuthenticationError) -> [(name: String, value: String)] {
        var fields: [(name: String, value: String)] = []
        var byteCount = 0
        for name in names {
            guard let value = value(name, of: credentials) else { continue }
            guard value.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 }) else {
                throw AuthenticationError(.malformed, "The header \(name) holds a control character.")
            }
            byteCount += value.utf8.count
            guard byteCount <= bytesMax else {
                throw AuthenticationError(.tooLong, "The headers are longer than \(bytesMax) bytes.")
            }
            fields.append((name, value))
        }
        guard !fields.isEmpty else {
            throw AuthenticationError(
                .missing, "Nothing was sent that says who you are.",
                detail: "None of the fields of httpAuth.headers came: \(names.joined(separator: ", ")).")
        }
        return fields
    }

    private static func value(_ name: String, of credentials: Credentials) -> String? {
        let lowercased = name.lowercased()
        if lowercased == "authorization", let value = authorization(credentials) { return value }
        let found =
            credentials.headers.first { $0.name.lowercased() == lowercased }
            ?? credentials.fields.first { $0.name.lowercased() == lowercased }
        return found.flatMap { $0.value.isEmpty ? nil : $0.value }
    }

    private static func authorization(_ credentials: Credentials) -> String? {
        if let token = credentials.token { return "Bearer \(token)" }
        guard let passcode = credentials.passcode, !passcode.isEmpty else { return nil }
        guard let login = credentials.login else { return "Bearer \(passcode)" }
        return "Basic \(Data("\(login):\(passcode)".utf8).base64EncodedString())"
    }
}
