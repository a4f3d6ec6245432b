/// How header names and values are written ("STOMP 1.2, Value Encoding").
enum HeaderEscaping: Sendable {
    /// STOMP 1.0, and CONNECT, STOMP and CONNECTED of any version.
    case none
    /// STOMP 1.1: `\n`, `\c`, `\\`.
    case withoutCarriageReturn
    /// STOMP 1.2: `\r`, `\n`, `\c`, `\\`.
    case full

    init(version: ProtocolVersion, command: Command) {
        if command.leavesHeadersUnescaped {
            self = .none
        } else {
            self = Self(version: version)
        }
    }

    init(version: ProtocolVersion) {
        switch version {
        case .v10: self = .none
        case .v11: self = .withoutCarriageReturn
        case .v12: self = .full
        }
    }

    /// What a developer may write after a backslash, for the text of an error.
    var allowed: String {
        switch self {
        case .none: "none"
        case .withoutCarriageReturn: #"\n, \c and \\"#
        case .full: #"\r, \n, \c and \\"#
        }
    }
}

// MARK: Reading

extension HeaderEscaping {
    enum Fault: Error {
        case withoutColon, emptyName, invalidEscape, invalidUTF8, carriageReturn
    }

    /// Reads `name:value`; the name ends at the first colon, and further colons are taken as part of the value, as
    /// clients commonly leave them unescaped.
    func parse(_ line: UnsafeRawBufferPointer) -> Result<Header, Fault> {
        var colon: Int?
        var hasEscapes = false
        var seenBits: UInt8 = 0
        for index in 0..<line.count {
            let byte = line[index]
            seenBits |= byte
            if byte == UInt8(ascii: ":") {
                if colon == nil { colon = index }
            } else if byte == UInt8(ascii: "\\") {
                hasEscapes = true
            } else if byte == UInt8(ascii: "\r"), case .full = self {
                return .failure(.carriageReturn)
            }
        }
        guard let colon else { return .failure(.withoutColon) }
        guard colon > 0 else { return .failure(.emptyName) }
        let name = UnsafeRawBufferPointer(rebasing: line[..<colon])
        let value = UnsafeRawBufferPointer(rebasing: line[(colon + 1)...])
        if case .none = self { hasEscapes = false }
        guard hasEscapes else {
            // Nearly all headers are ASCII, which need not be validated; validating costs as much as all the rest.
            if seenBits < 0x80 {
                return .success(Header(String(decoding: name, as: UTF8.self), String(decoding: value, as: UTF8.self)))
            }
            guard let name = String(validating: name, as: UTF8.self),
                let value = String(validating: value, as: UTF8.self)
            else { return .failure(.invalidUTF8) }
            return .success(Header(name, value))
        }
        return unescape(name).flatMap { name in unescape(value).map { Header(name, $0) } }
    }

    private func unescape(_ bytes: UnsafeRawBufferPointer) -> Result<String, Fault> {
        var plain: [UInt8] = []
        plain.reserveCapacity(bytes.count)
        var index = 0
        while index < bytes.count {
            let byte = bytes[index]
            index += 1
            guard byte == UInt8(ascii: "\\") else {
                plain.append(byte)
                continue
            }
            guard index < bytes.count, let escaped = self.meaning(of: bytes[index]) else {
                return .failure(.invalidEscape)
            }
            plain.append(escaped)
            index += 1
        }
        guard let text = String(validating: plain, as: UTF8.self) else { return .failure(.invalidUTF8) }
        return .success(text)
    }

    /// The octet that a backslash and `byte` stand for.
    private func meaning(of byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "n"): UInt8(ascii: "\n")
        case UInt8(ascii: "c"): UInt8(ascii: ":")
        case UInt8(ascii: "\\"): UInt8(ascii: "\\")
        case UInt8(ascii: "r"):
            if case .full = self { UInt8(ascii: "\r") } else { nil }
        default: nil
        }
    }
}

// MARK: Writing

extension HeaderEscaping {
    /// A header's name as it goes on the wire; `nil` for one that the version cannot carry as it is: changed, it may be
    /// another header's. STOMP 1.0 does not count blanks at its ends.
    func escapeName(_ name: String) -> String? {
        let blank = UInt8(ascii: " ")
        let isPlain = name.utf8.withContiguousStorageIfAvailable { bytes in
            !bytes.isEmpty && bytes[0] != blank && bytes[bytes.count - 1] != blank
                && !bytes.contains { needsEscape($0, isName: true) }
        }
        if isPlain == true { return name }
        let isCarried = name.utf8.allSatisfy { !needsEscape($0, isName: true) || escapeLetter(for: $0) != nil }
        guard !name.isEmpty, isCarried else { return nil }
        if case .none = self, name.split(separator: " ") == ["content-length"] { return nil }
        return escape(name, isName: true)
    }

    /// `text` as it goes on the wire. What the version has no escape for, and NULL, which would end the frame for most
    /// clients, becomes a space: a value must not be able to end its line.
    func escape(_ text: String) -> String { escape(text, isName: false) }

    private func escape(_ text: String, isName: Bool) -> String {
        // Over the bytes themselves: walking a string's UTF-8 view costs several times as much.
        let isPlain = text.utf8.withContiguousStorageIfAvailable { bytes in
            !bytes.contains { needsEscape($0, isName: isName) }
        }
        if isPlain == true { return text }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.utf8.count + 8)
        for byte in text.utf8 {
            guard needsEscape(byte, isName: isName) else {
                bytes.append(byte)
                continue
            }
            if let letter = escapeLetter(for: byte) {
                bytes.append(UInt8(ascii: "\\"))
                bytes.append(letter)
            } else {
                bytes.append(UInt8(ascii: " "))
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private func needsEscape(_ byte: UInt8, isName: Bool) -> Bool {
        switch byte {
        case 0, UInt8(ascii: "\n"), UInt8(ascii: "\r"): return true
        case UInt8(ascii: ":"):
            if case .none = self { return isName }
            return true
        case UInt8(ascii: "\\"):
            if case .none = self { return false }
            return true
        default: return false
        }
    }

    private func escapeLetter(for byte: UInt8) -> UInt8? {
        if case .none = self { return nil }
        switch byte {
        case UInt8(ascii: "\n"): return UInt8(ascii: "n")
        case UInt8(ascii: ":"): return UInt8(ascii: "c")
        case UInt8(ascii: "\\"): return UInt8(ascii: "\\")
        case UInt8(ascii: "\r"):
            if case .full = self { return UInt8(ascii: "r") }
            return nil
        default: return nil
        }
    }
}
