import Foundation
import FoundationXML

/// An SVG file, read as XML.
struct Picture {
    struct Element {
        let name: String
        let attributes: [String: String]
        var text = ""
    }

    /// In the order of their ends.
    let elements: [Element]

    /// - Throws: the parser's error when the file is not well-formed.
    init(_ file: URL) throws {
        let parser = XMLParser(data: try Data(contentsOf: file))
        let reader = Reader()
        parser.delegate = reader
        guard parser.parse() else { throw parser.parserError ?? CocoaError(.fileReadCorruptFile) }
        elements = reader.elements
    }

    /// What the elements of this name say, from the outermost texts to the tips on points.
    func texts(_ name: String = "text") -> [String] { elements.filter { $0.name == name }.map(\.text) }

    /// The points of each line.
    var lines: [[(x: Double, y: Double)]] {
        elements.filter { $0.name == "polyline" }.map { line in
            (line.attributes["points"] ?? "").split(separator: " ").map { point in
                let numbers = point.split(separator: ",").map { Double($0) ?? .nan }
                return (numbers.first ?? .nan, numbers.last ?? .nan)
            }
        }
    }

    private final class Reader: NSObject, XMLParserDelegate {
        var elements: [Element] = []
        private var open: [Element] = []

        func parser(
            _ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?,
            attributes: [String: String]
        ) {
            open.append(Element(name: name, attributes: attributes))
        }

        func parser(_ parser: XMLParser, foundCharacters characters: String) {
            guard !open.isEmpty else { return }
            open[open.count - 1].text += characters
        }

        func parser(
            _ parser: XMLParser, didEndElement name: String, namespaceURI: String?, qualifiedName: String?
        ) {
            if let element = open.popLast() { elements.append(element) }
        }
    }
}
