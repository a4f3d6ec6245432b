import NIOCore

/// The page that a client's script puts into an `iframe` where its own page may not talk to us directly: the script is
/// loaded in it once more, now as one of our own origin.
struct IframePage: Sendable {
    let body: ByteBuffer
    /// The same as long as the page is, on every node.
    let tag: String

    /// - Parameter clientURL: where the script is.
    init(clientURL: String) {
        let source = Self.escaped(clientURL)
        body = ByteBuffer(
            string: """
                <!DOCTYPE html>
                <html>
                <head>
                  <meta http-equiv="X-UA-Compatible" content="IE=edge" />
                  <meta http-equiv="Content-Type" content="text/html; charset=UTF-8" />
                  <script>
                    document.domain = document.domain;
                    _sockjs_onload = function(){SockJS.bootstrap_iframe();};
                  </script>
                  <script src="\(source)"></script>
                </head>
                <body>
                  <h2>Don't panic!</h2>
                  <p>This is a SockJS hidden iframe. It's used for cross domain magic.</p>
                </body>
                </html>

                """)
        // FNV-1a: Swift's own hashes differ from process to process.
        let hash = body.readableBytesView.reduce(0xCBF2_9CE4_8422_2325 as UInt64) { hash, byte in
            (hash ^ UInt64(byte)) &* 0x100_0000_01B3
        }
        tag = "\"\(String(hash, radix: 16))\""
    }

    private static func escaped(_ text: String) -> String {
        text.replacing("&", with: "&amp;").replacing("\"", with: "&quot;").replacing("<", with: "&lt;")
    }
}
