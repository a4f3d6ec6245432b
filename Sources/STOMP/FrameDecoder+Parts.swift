import NIOCore

/// The parts of a frame in their order: command line, header lines, body.
extension FrameDecoder {
    enum CommandLine { case incomplete, heartBeat, command }

    mutating func readCommandLine() throws(FrameError) -> CommandLine {
        guard let first = pending.getInteger(at: pending.readerIndex, as: UInt8.self) else { return .incomplete }
        if first == UInt8(ascii: "\n") {
            pending.moveReaderIndex(forwardBy: 1)
            return .heartBeat
        }
        if first == UInt8(ascii: "\r"), scanned == 0 {
            guard let second = pending.getInteger(at: pending.readerIndex + 1, as: UInt8.self) else {
                return .incomplete
            }
            if second == UInt8(ascii: "\n") {
                pending.moveReaderIndex(forwardBy: 2)
                return .heartBeat
            }
        }
        switch findLineEnd(within: Command.bytesMax) {
        case .notYet:
            return .incomplete
        case .tooLong:
            throw unknownCommand(preview(Command.bytesMax) + "…")
        case .null:
            throw error(
                .unexpectedNull,
                "A NULL octet stands where a command was expected; "
                    + "if the frame before had a content-length, it was too small: count octets, not characters.")
        case .line(let length, let consumed):
            guard let command = Command(rawValue: preview(length)) else { throw unknownCommand(preview(length)) }
            self.command = command
            consume(consumed)
            return .command
        }
    }

    /// Reads one header line; `true` for the empty line that ends the headers, `nil` when it is not all there yet.
    mutating func readHeaderLine() throws(FrameError) -> Bool? {
        let number = headers.count + 1
        switch findLineEnd(within: headerLineBytesMax) {
        case .notYet:
            return nil
        case .tooLong:
            throw error(
                .lineTooLong,
                "Header line \(number) of \(command.rawValue) is over \(headerLineBytesMax) bytes; make it shorter.")
        case .null:
            throw error(
                .unexpectedNull,
                "A NULL octet stands in the headers of \(command.rawValue), in line \(number); "
                    + "end the headers with an empty line before the body and its NULL.")
        case .line(let length, let consumed):
            defer { consume(consumed) }
            if length == 0 { return true }
            guard headers.count < headersMax else {
                throw error(.tooManyHeaders, "\(command.rawValue) has more than \(headersMax) headers; send fewer.")
            }
            headerBytes += length
            guard headerBytes <= headerBytesMax else {
                throw error(
                    .headersTooLarge,
                    "The headers of \(command.rawValue) are over \(headerBytesMax) bytes together; send less in them.")
            }
            let escaping = HeaderEscaping(version: version, command: command)
            let header = pending.withUnsafeReadableBytes { bytes in
                escaping.parse(UnsafeRawBufferPointer(rebasing: bytes[..<length]))
            }
            switch header {
            case .success(let header): headers.append(version == .v10 ? header.trimmed : header)
            case .failure(let fault): throw headerError(fault, escaping, number)
            }
            return false
        }
    }

    /// After the empty line: decides how the end of the body is found ("STOMP 1.2, Header content-length").
    mutating func startBody() throws(FrameError) {
        guard let text = headers["content-length"] else {
            phase = .terminatedBody
            return
        }
        guard !text.isEmpty, text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else {
            throw error(
                .invalidContentLength,
                "The content-length of \(command.rawValue) is not a number; "
                    + "give the octets of the body in decimal digits, or leave the header out.")
        }
        // Only digits, so `nil` means too many of them.
        guard let length = Int(text), length <= bodyBytesMax else { throw bodyTooLarge() }
        guard length == 0 || bodyIsAllowed else { throw bodyNotAllowed() }
        bodyBytes = length
        phase = .sizedBody
    }

    mutating func readSizedBody() throws(FrameError) -> ByteBuffer? {
        guard let end = pending.getInteger(at: pending.readerIndex + bodyBytes, as: UInt8.self) else { return nil }
        guard end == 0 else {
            throw error(
                .missingNull,
                "\(command.rawValue) has no NULL octet after the \(bodyBytes) octets of its content-length; "
                    + "count octets, not characters, and end the frame with NULL.")
        }
        return takeBody(bodyBytes)
    }

    mutating func readTerminatedBody() throws(FrameError) -> ByteBuffer? {
        let from = scanned
        let null = pending.withUnsafeReadableBytes { bytes in bytes[from...].firstIndex(of: 0) }
        let length = null ?? pending.readableBytes
        guard length == 0 || bodyIsAllowed else { throw bodyNotAllowed() }
        guard length <= bodyBytesMax else { throw bodyTooLarge() }
        scanned = length
        return null == nil ? nil : takeBody(length)
    }

    /// 1.0 did not yet forbid bodies.
    private var bodyIsAllowed: Bool { command.mayHaveBody || version == .v10 }

    private mutating func takeBody(_ length: Int) -> ByteBuffer? {
        let body = pending.readSlice(length: length)
        consume(1)
        return body
    }

    private mutating func consume(_ count: Int) {
        pending.moveReaderIndex(forwardBy: count)
        scanned = 0
    }
}

extension FrameDecoder {
    private enum LineEnd { case notYet, tooLong, null, line(length: Int, consumed: Int) }

    /// Searches on for the end of the line, and forgets nothing of what it searched.
    ///
    /// - Parameter limit: bytes that the line may have without its end.
    private mutating func findLineEnd(within limit: Int) -> LineEnd {
        let from = scanned
        let (end, result): (Int, LineEnd) = pending.withUnsafeReadableBytes { bytes in
            // One more than the limit may be the CR of a CRLF.
            for index in from..<max(from, min(bytes.count, limit + 2)) {
                let byte = bytes[index]
                // One comparison for all that is neither a NULL nor a line feed.
                if byte > UInt8(ascii: "\n") { continue }
                if byte == 0 { return (index, .null) }
                if byte == UInt8(ascii: "\n") {
                    let hasCarriageReturn = index > 0 && bytes[index - 1] == UInt8(ascii: "\r")
                    let length = hasCarriageReturn ? index - 1 : index
                    return (index, length > limit ? .tooLong : .line(length: length, consumed: index + 1))
                }
            }
            return bytes.count > limit + 1 ? (limit + 2, .tooLong) : (bytes.count, .notYet)
        }
        scanned = end
        return result
    }

    /// The first bytes as text that is safe to show; the command itself when it is one.
    private func preview(_ length: Int) -> String {
        pending.withUnsafeReadableBytes { bytes in
            String(
                decoding: bytes.prefix(length).map { (0x20..<0x7f).contains($0) ? $0 : UInt8(ascii: "?") },
                as: UTF8.self)
        }
    }

    private func unknownCommand(_ preview: String) -> FrameError {
        error(
            .unknownCommand,
            "'\(preview)' is not a STOMP command; start a frame with one in capitals, such as CONNECT, on a line.")
    }

    private func headerError(_ fault: HeaderEscaping.Fault, _ escaping: HeaderEscaping, _ number: Int) -> FrameError {
        let place = "Header line \(number) of \(command.rawValue)"
        return switch fault {
        case .withoutColon:
            error(.headerWithoutColon, "\(place) has no ':'; write name:value, and an empty line after the headers.")
        case .emptyName:
            error(.emptyHeaderName, "\(place) has no name before its ':'; write name:value.")
        case .invalidEscape:
            error(
                .invalidEscape,
                "\(place) has a backslash that starts no escape of STOMP \(version.rawValue); "
                    + "it has \(escaping.allowed).")
        case .invalidUTF8:
            error(.invalidUTF8, "\(place) is not UTF-8; encode headers as UTF-8.")
        case .carriageReturn:
            error(.carriageReturnInLine, #"\#(place) has a carriage return within it; escape it as \r."#)
        }
    }

    private func bodyTooLarge() -> FrameError {
        error(.bodyTooLarge, "The body of \(command.rawValue) is over \(bodyBytesMax) bytes; send a smaller one.")
    }

    private func bodyNotAllowed() -> FrameError {
        error(
            .bodyNotAllowed,
            "\(command.rawValue) has a body; only SEND, MESSAGE and ERROR may have one. "
                + "Put a NULL octet right after the empty line.")
    }
}
