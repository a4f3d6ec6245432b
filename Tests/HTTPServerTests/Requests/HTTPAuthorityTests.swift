import Testing

@testable import HTTPServer

@Suite("HTTPAuthority")
struct HTTPAuthorityTests {
    @Test(
        "A host and perhaps a port",
        arguments: [
            ("push.example", "push.example", nil), ("push.example:8080", "push.example", 8080), ("x:", "x", nil),
            ("[::1]:80", "::1", 80), ("[2001:db8::1]", "2001:db8::1", nil), ("10.0.0.1:1", "10.0.0.1", 1),
            ("my_node-1.~", "my_node-1.~", nil), ("%41", "%41", nil), ("a:0", "a", 0), ("a:65535", "a", 65535),
        ] as [(String, String, UInt16?)])
    func valid(_ text: String, host: String, port: UInt16?) {
        let authority = HTTPAuthority(parsing: text)
        #expect(authority?.host == host)
        #expect(authority?.port == port)
    }

    @Test(
        "Nothing else",
        arguments: [
            "", ":80", "a b", "a:b", "a:+1", "a:-1", "a:65536", "a:1:2", "user@host", "a/b", "a?b", "a#b", "[::1",
            "::1",
            "[]", "[::1]x", "[::1\u{0}x]", "[::1]80", "[v1.x]", "[127.0.0.1]", "a,b:x", "%4", "%4g", "a\\b", "é",
            "a\u{0}b", "a\tb",
            "[::1%25eth0]", "a<b>", "\"a\"", "a:８０",
        ])
    func invalid(_ text: String) {
        #expect(HTTPAuthority(parsing: text) == nil)
    }

    @Test("Loopback is what is this machine for certain")
    func loopback() {
        for host in ["localhost", "LocalHost", "localhost.", "127.0.0.1", "127.1.2.3", "::1", "0:0:0:0:0:0:0:1"] {
            #expect(Loopback.contains(host), "\(host)")
        }
        for host in [
            "", "0.0.0.0", "::", "127.1", "127.evil.example.com", "127.0.0.evil", "128.0.0.1", "localhost.evil.com",
            "[::1]", "::ffff:127.0.0.1", "example.com", "127.0.0.1 ", "127.0.0.1\u{0}x",
        ] {
            #expect(!Loopback.contains(host), "\(host)")
        }
    }
}
