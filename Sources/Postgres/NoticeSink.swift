import CLibpq

/// Takes what libpq would print to standard error. Used by the connection's thread only.
final class NoticeSink {
    private let handler: (@Sendable (PostgresNotice) -> Void)?
    /// The server's last words before it ended the connection.
    private(set) var fatalNotice: PostgresNotice?

    init(_ handler: (@Sendable (PostgresNotice) -> Void)?) { self.handler = handler }

    /// For `PQsetNoticeReceiver`, with the sink as its argument.
    static let receiver: @convention(c) (UnsafeMutableRawPointer?, OpaquePointer?) -> Void = { argument, result in
        guard let argument, let result else { return }
        Unmanaged<NoticeSink>.fromOpaque(argument).takeUnretainedValue().take(result)
    }

    private func take(_ result: OpaquePointer) {
        let notice = PostgresNotice(
            severity: DiagnosticField.severity.read(result) ?? "NOTICE",
            sqlState: DiagnosticField.sqlState.read(result),
            message: DiagnosticField.message.read(result) ?? DiagnosticField.wholeMessage(result))
        if ["FATAL", "PANIC"].contains(notice.severity) { fatalNotice = notice }
        handler?(notice)
    }
}

/// The fields of an error or notice: PostgreSQL's documentation, "Error and Notice Message Fields".
enum DiagnosticField: UnicodeScalar {
    /// The severity that is never localized.
    case severity = "V"
    case sqlState = "C"
    case message = "M"
    case detail = "D"
    case hint = "H"

    func read(_ result: OpaquePointer?) -> String? {
        PQresultErrorField(result, Int32(rawValue.value)).map { String(cString: $0) }
    }

    /// What libpq itself made up has no fields.
    static func wholeMessage(_ result: OpaquePointer?) -> String {
        let text = PQresultErrorMessage(result).map { String(cString: $0) } ?? ""
        return text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    }
}

extension PostgresError {
    /// The error that a result carries.
    init(_ result: OpaquePointer?) {
        self.init(
            .server, DiagnosticField.message.read(result) ?? DiagnosticField.wholeMessage(result),
            sqlState: DiagnosticField.sqlState.read(result), detail: DiagnosticField.detail.read(result),
            hint: DiagnosticField.hint.read(result))
    }
}
