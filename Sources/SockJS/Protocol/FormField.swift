import BelfryModel

/// Reads one field of `application/x-www-form-urlencoded` text: the query of a request, or the body of a form.
enum FormField {
    /// The first of the fields of that name, decoded; `nil` when there is none, or its escapes are none.
    ///
    /// - Parameter text: any bytes at all.
    static func value(_ name: String, in text: some Sequence<UInt8>) -> [UInt8]? {
        for field in Array(text).split(separator: UInt8(ascii: "&")) {
            let key = field.prefix { $0 != UInt8(ascii: "=") }
            guard key.elementsEqual(name.utf8) else { continue }
            return PercentDecoding.bytes(field.dropFirst(key.count + 1), plusIsBlank: true)
        }
        return nil
    }
}
