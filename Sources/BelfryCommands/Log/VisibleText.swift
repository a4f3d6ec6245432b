/// A line with text from others, for a terminal.
enum VisibleText {
    /// Without what a terminal would take for a command, or the reader for another line; tabs stay.
    static func of(_ line: String) -> String {
        guard line.unicodeScalars.contains(where: isCommand) else { return line }
        return String(String.UnicodeScalarView(line.unicodeScalars.map { isCommand($0) ? "\u{FFFD}" : $0 }))
    }

    /// The same in JSON, where it can only stand in strings: it is written as an escape. Ends of lines stay: they stand
    /// between values.
    static func inJSON(_ json: String) -> String {
        guard json.unicodeScalars.contains(where: isCommand) else { return json }
        return json.unicodeScalars.reduce(into: "") { text, scalar in
            if scalar != "\n", isCommand(scalar) {
                let digits = String(scalar.value, radix: 16)
                text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            } else {
                text.unicodeScalars.append(scalar)
            }
        }
    }

    /// Control characters, ends of lines, and what turns the direction of a text.
    private static func isCommand(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x09: false
        case 0x2028...0x202E, 0x2066...0x2069: true
        default: scalar.properties.generalCategory == .control
        }
    }
}
