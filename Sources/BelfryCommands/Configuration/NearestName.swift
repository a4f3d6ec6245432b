/// Finds what somebody who mistyped a name may have meant.
enum NearestName {
    /// The closest of `names`, ignoring case, when no more than a third of the letters differ.
    static func of(_ name: String, among names: [String]) -> String? {
        let wanted = Array(name.lowercased())
        let nearest = names.map { ($0, distance(wanted, Array($0.lowercased()))) }.min { $0.1 < $1.1 }
        guard let (candidate, distance) = nearest, distance <= max(2, wanted.count / 3) else { return nil }
        return candidate
    }

    /// A half sentence to append: `; did you mean …?` or a full stop.
    static func suggestion(_ name: String, among names: [String]) -> String {
        of(name, among: names).map { "; did you mean \($0)?" } ?? "."
    }

    /// Levenshtein's distance.
    private static func distance(_ left: [Character], _ right: [Character]) -> Int {
        var row = Array(0...right.count)
        for (index, character) in left.enumerated() {
            var diagonal = row[0]
            row[0] = index + 1
            for column in right.indices {
                let substitution = diagonal + (character == right[column] ? 0 : 1)
                diagonal = row[column + 1]
                row[column + 1] = min(substitution, row[column] + 1, diagonal + 1)
            }
        }
        return row[right.count]
    }
}
