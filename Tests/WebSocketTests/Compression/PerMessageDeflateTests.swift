import Testing

@testable import WebSocket

@Suite("PerMessageDeflate")
struct PerMessageDeflateTests {
    private static let plain = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"

    /// The answer to a header; `nil` when nothing is agreed.
    private static func answer(_ header: String) throws -> String? {
        PerMessageDeflate(offered: try #require(WebSocketExtension.list(parsing: header)))?.answer
    }

    @Test(
        "Offers that are taken, and the answer",
        arguments: [
            ("permessage-deflate", plain), ("permessage-deflate; client_max_window_bits", plain),
            ("permessage-deflate; client_max_window_bits=8", plain),
            ("permessage-deflate;client_no_context_takeover;server_no_context_takeover", plain),
            ("permessage-deflate; server_max_window_bits=8", plain + "; server_max_window_bits=8"),
            ("permessage-deflate; server_max_window_bits=\"10\"", plain + "; server_max_window_bits=10"),
            (
                "permessage-deflate; server_max_window_bits=15; client_max_window_bits; server_no_context_takeover",
                plain + "; server_max_window_bits=15"
            ),
            ("permessage-bzip2, permessage-deflate", plain),
            ("permessage-deflate; server_max_window_bits=7, permessage-deflate", plain),
            ("permessage-deflate; server_max_window_bits=9, permessage-deflate", plain + "; server_max_window_bits=9"),
        ])
    func taken(_ header: String, answer: String) throws { #expect(try Self.answer(header) == answer) }

    @Test(
        "Offers that are not taken (RFC 7692, section 7.1)",
        arguments: [
            "permessage-bzip2", "x-webkit-deflate-frame", "permessage-deflate; unknown", "permessage-deflate; a=1",
            "permessage-deflate; server_no_context_takeover=1", "permessage-deflate; client_no_context_takeover=true",
            "permessage-deflate; server_max_window_bits", "permessage-deflate; server_max_window_bits=7",
            "permessage-deflate; server_max_window_bits=16", "permessage-deflate; server_max_window_bits=08",
            "permessage-deflate; server_max_window_bits=ten", "permessage-deflate; client_max_window_bits=16",
            "permessage-deflate; client_max_window_bits=010",
            "permessage-deflate; client_max_window_bits; client_max_window_bits",
            "permessage-deflate; server_max_window_bits=10; server_max_window_bits=10",
        ])
    func declined(_ header: String) throws { #expect(try Self.answer(header) == nil) }

    @Test("Lists as they may be written (RFC 6455, section 9.1)")
    func lists() {
        #expect(
            WebSocketExtension.list(parsing: " a ; b = \"c\\d\" ;e,\t, f;g=1 ") == [
                WebSocketExtension(name: "a", parameters: [("b", "cd"), ("e", nil)]),
                WebSocketExtension(name: "f", parameters: [("g", "1")]),
            ])
    }

    @Test(
        "What is no list",
        arguments: [
            "", " ", ",", "a b", "a;", "a;;b", "a=1", "a;b=", "a;b=\"", "a;b=\"\"", "a;b=\"c", "a;b=\"c d\"",
            "a;b=\"c\\\"",
            "a;b=c=d", "a;b=\"c\"d", ";a", "a/b", "ä", "a;b=\"ä\"", "a,(b)",
        ])
    func noList(_ header: String) { #expect(WebSocketExtension.list(parsing: header) == nil) }
}
