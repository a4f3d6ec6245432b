import Authentication
import Foundation
import Logging
import TestBasics
import Testing

@testable import PasswordAuthentication

/// Cheap, so that tests are quick.
private let cost = PasswordHash.Cost(logarithm: 10, blockSize: 1, parallelism: 1)

private func line(_ login: String, _ password: String, _ rights: String = "") throws -> String {
    "\(login):\(try PasswordHash(of: password, cost: cost))\(rights)\n"
}

@Suite struct PasswordHashTests {
    @Test func aHashVerifiesItsPasswordAndNoOther() throws {
        let hash = try PasswordHash(of: "correct horse", cost: cost)
        #expect(hash.verifies("correct horse"))
        for other in ["", "correct horsf", "correct horse ", "Correct horse"] { #expect(!hash.verifies(other)) }
        #expect(try PasswordHash(of: "correct horse", cost: cost) != hash, "salted")
        #expect(PasswordHash(hash.description) == hash)
    }

    /// RFC 7914, section 12, the third vector: what other implementations make verifies here.
    @Test func aHashOfTheRFCVerifies() throws {
        let hash = try #require(
            PasswordHash(
                "$scrypt$ln=14,r=8,p=1$U29kaXVtQ2hsb3JpZGU$"
                    + "cCO9yzr9c0hGHAbNgf046/2o+7qQT44+qbVD9lRdofLVQylVYT8Pz2LUlwUk"
                    + "Kpr55h6F3A1lHkDfzwF7RVdYhw"))
        #expect(hash.verifies("pleaseletmein"))
        #expect(!hash.verifies("pleaseletmeout"))
    }

    @Test(arguments: [
        "", "$", "secret", "$scrypt$ln=15,r=8,p=3$AAAAAAAAAAAAAAAAAAAAAA", "$2b$12$abcdefghijklmnopqrstuv",
        "$scrypt$ln=9,r=8,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA",
        "$scrypt$ln=63,r=8,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA",
        "$scrypt$ln=15,r=0,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA",
        "$scrypt$ln=15,r=8,p=-1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA",
        "$scrypt$r=8,ln=15,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA",
        "$scrypt$ln=15,r=8,p=1$AAAA$AAAAAAAAAAAAAAAAAAAAAA", "$scrypt$ln=15,r=8,p=1$AAAAAAAAAAAAAAAAAAAAAA$!!!!",
    ])
    func whatIsNoHashOrCostsTooMuchIsNotRead(text: String) {
        #expect(PasswordHash(text) == nil)
    }
}

@Suite struct PasswordListTests {
    @Test func aListHasLoginsWithRights() throws {
        let text =
            try "# scripts\n\n" + line("ci", "a")
            + line("bot", "b", " subscribe=/topic/a subscribe=/topic/b send=/user/**")
            + line("mute", "c", " subscribe=none")
        let list = try PasswordList(text, named: "list")
        #expect(list.count == 3)
        #expect(list.entry("ci")?.identity == Identity(user: "ci"))
        let rights = try #require(list.entry("bot")?.identity.rights)
        #expect(rights.maySubscribe(to: "/topic/b") && !rights.maySubscribe(to: "/topic/c"))
        #expect(rights.maySend(to: "/user/x/queue/msg"))
        #expect(list.entry("mute")?.identity.rights.maySubscribe(to: "/topic/a") == false)
        #expect(list.entry("nobody") == nil)
    }

    @Test func aLineThatTheCommandMakesIsRead() throws {
        let hash = try PasswordHash(of: "x", cost: cost)
        let made = PasswordList.line(login: "bot", hash: hash, subscribe: [], send: ["/topic/a"])
        let entry = try #require(try PasswordList(made, named: "list").entry("bot"))
        #expect(entry.hash == hash)
        #expect(!entry.identity.rights.maySubscribe(to: "/topic/a") && entry.identity.rights.maySend(to: "/topic/a"))
    }

    @Test func whoIsNotThereCostsAsMuchAsTheCostliest() throws {
        let costly = PasswordHash.Cost(logarithm: 11, blockSize: 1, parallelism: 2)
        let text = try line("ci", "a") + "bot:\(try PasswordHash(of: "b", cost: costly))\n"
        let nobody = try PasswordList(text, named: "list").nobody
        #expect(nobody.cost == costly)
        #expect(!nobody.verifies("") && !nobody.verifies("a"))
    }

    @Test(arguments: ["ci", "ci:plain", ":$scrypt$", "ci:$scrypt$x subscribe=/topic/a"])
    func aLineThatIsNoneIsNamed(text: String) throws {
        #expect { try PasswordList("# head\n\(text)\n", named: "list") } throws: {
            "\($0)".hasPrefix("Line 2 of 'list'") && !"\($0)".contains("plain")
        }
    }

    @Test func aLoginStandsOnceAndItsRightsArePatterns() throws {
        let twice = try line("ci", "a") + line("ci", "b")
        #expect(throws: PasswordListError.self) { try PasswordList(twice, named: "list") }
        let wrong = try line("ci", "a", " send=topic")
        #expect(throws: PasswordListError.self) { try PasswordList(wrong, named: "list") }
        let unknown = try line("ci", "a", " admin")
        #expect(throws: PasswordListError.self) { try PasswordList(unknown, named: "list") }
    }
}

@Suite struct PasswordAuthenticatorTests {
    private func with(
        _ text: String, next: (any Authenticator)? = nil, _ body: (PasswordAuthenticator, String) async throws -> Void
    ) async throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("logins-\(UUID())").path
        try Data(text.utf8).write(to: URL(fileURLWithPath: path), options: .atomic)
        defer { try? FileManager.default.removeItem(atPath: path) }
        let logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
        try await body(try PasswordAuthenticator(file: path, next: next, logger: logger), path)
    }

    @Test func aLoginWithItsPasswordIsLetInAndNoOther() async throws {
        try await with(try line("ci", "secret", " send=/topic/a")) { authenticator, _ in
            func result(_ login: String, _ passcode: String) async -> Result<Identity, AuthenticationError> {
                await authenticator.authenticate(Credentials(login: login, passcode: passcode)).result
            }
            let identity = try await result("ci", "secret").get()
            #expect(identity.user == "ci" && identity.rights.maySend(to: "/topic/a") && identity.expiresAt == nil)
            var answers: [AuthenticationError] = []
            for (login, passcode) in [("ci", "wrong"), ("cj", "secret"), ("ci", ""), ("", "secret")] {
                guard case .failure(let error) = await result(login, passcode) else {
                    Issue.record("\(login) was let in")
                    continue
                }
                answers.append(error)
            }
            #expect(Set(answers.map(\.message)) == ["The login or the passcode is wrong."])
            #expect(answers.allSatisfy { $0.code == .password })
        }
    }

    @Test func whoHasATokenIsAskedAboutElsewhere() async throws {
        try await with(try line("ci", "secret"), next: DevelopmentAuthenticator()) { authenticator, _ in
            for credentials in [
                Credentials(token: "alice"), Credentials(passcode: "alice"),
                Credentials(token: "alice", login: "ci", passcode: "wrong"),
            ] {
                let user = try await authenticator.authenticate(credentials).result.get().user
                #expect(user == "alice")
            }
            #expect(authenticator.tokensAreUnproven)
        }
    }

    @Test func withNobodyElseToAskALoginIsNeeded() async throws {
        try await with(try line("ci", "secret")) { authenticator, _ in
            for credentials in [Credentials(token: "alice"), Credentials(), Credentials(passcode: "secret")] {
                let answer = await authenticator.authenticate(credentials).result
                #expect { try answer.get() } throws: { ($0 as? AuthenticationError)?.code == .missing }
            }
        }
    }

    @Test func aChangedListIsReadAgainAndABadOneChangesNothing() async throws {
        try await with(try line("ci", "secret")) { authenticator, path in
            let running = Task { await authenticator.run() }
            let url = URL(fileURLWithPath: path)
            try Data((line("ci", "secret") + line("cj", "other")).utf8).write(to: url, options: .atomic)
            try await eventually("the second login is there") { authenticator.count == 2 }
            try Data("nonsense".utf8).write(to: url, options: .atomic)
            try await Task.sleep(for: .seconds(3))
            #expect(authenticator.count == 2)
            running.cancel()
            await running.value
        }
    }
}
