import Authentication
import Testing

/// `--auth dev`: the token is the user.
struct DevelopmentAuthenticatorTests {
    @Test(arguments: ["alice", "Zoë", "a b", String(repeating: "x", count: 255)])
    func theTokenIsTheUser(token: String) async throws {
        for credentials in [Credentials(token: token), Credentials(passcode: token)] {
            let identity = try await DevelopmentAuthenticator().authenticate(credentials).result.get()
            #expect(identity == Identity(user: token, rights: .all))
        }
    }

    @Test func itSaysThatItsTokensProveNothing() {
        #expect(DevelopmentAuthenticator().tokensAreUnproven)
    }

    @Test(arguments: ["", "\u{7F}", "a\tb", "a\u{0}", "Zoe\u{308}", String(repeating: "x", count: 256)])
    func whatCanBeNoReceiverIsRefused(token: String) async {
        let answer = await DevelopmentAuthenticator().authenticate(Credentials(token: token)).result
        #expect(throws: AuthenticationError.self) { try answer.get() }
    }
}
