import Authentication
import Foundation
import Logging
import Synchronization

/// Lets logins of a list in by their passwords, and leaves everybody else to another authenticator: for scripts, and
/// for clients that know nothing of tokens.
///
/// Who sends `login` and `passcode`, and no token, is looked for in the list alone. An unknown login gets the same
/// answer as a wrong password, after as much work.
public final class PasswordAuthenticator: Authenticator {
    /// Hashes that are computed at once: each takes 32 MiB and a core.
    private static let threads = 2
    /// Clients that wait for theirs; over it they are told to come back.
    static let waitingMax = 200
    /// The same of one address.
    static let waitingPerAddressMax = 50
    /// Between two looks whether the file has changed.
    private static let pause = Duration.seconds(2)

    private let path: String
    private let next: (any Authenticator)?
    private let list: Mutex<PasswordList>
    private let stamp: FileStamp?
    private let hashing = HashingThreads(
        threads: PasswordAuthenticator.threads, waitingMax: PasswordAuthenticator.waitingMax,
        waitingPerAddressMax: PasswordAuthenticator.waitingPerAddressMax)
    private let logger: Logger

    /// - Parameters:
    ///   - path: of the list.
    ///   - next: asked about who sends no login; `nil` when nobody else is let in.
    /// - Throws: `PasswordListError` when the list can't be used.
    public init(file path: String, next: (any Authenticator)?, logger: Logger) throws(PasswordListError) {
        self.path = path
        self.next = next
        self.logger = logger
        stamp = FileStamp(path)
        list = Mutex(try PasswordList(file: path))
    }

    /// How many logins there are now.
    public var count: Int { list.withLock { $0.count } }

    public var tokensAreUnproven: Bool { next?.tokensAreUnproven ?? false }
    public var fields: [String] { next?.fields ?? [] }

    public func authenticate(_ credentials: Credentials) -> AuthenticationAnswer {
        guard let login = credentials.login, let passcode = credentials.passcode, credentials.token == nil else {
            guard let next else {
                return .now(
                    .failure(
                        AuthenticationError(.missing, "CONNECT needs the headers 'login' and 'passcode' here.")))
            }
            return next.authenticate(credentials)
        }
        let address = credentials.address ?? ""
        guard hashing.hasRoom(for: address) else {
            return .now(
                .failure(
                    AuthenticationError(
                        .unavailable, "Too many passwords are being checked now; connect again later.",
                        detail: "\(Self.waitingMax) passwords, or \(Self.waitingPerAddressMax) of an address, were "
                            + "waiting to be checked.")))
        }
        return .later { await self.check(login, passcode, from: address) }
    }

    private func check(
        _ login: String, _ passcode: String, from address: String
    ) async -> Result<Identity, AuthenticationError> {
        let (entry, nobody) = list.withLock { ($0.entry(login), $0.nobody) }
        let hash = entry?.hash ?? nobody
        let isRight = await hashing.run(for: address) { hash.verifies(passcode) }
        guard let entry, isRight else {
            return .failure(
                AuthenticationError(
                    .password, "The login or the passcode is wrong.",
                    detail: entry == nil
                        ? "A login was sent that is not in the list." : "The passcode of a login was wrong."))
        }
        return .success(entry.identity)
    }

    /// Looks after the file until its task is cancelled. A list that can't be used is logged, and the one before holds.
    public func run() async {
        var seen = stamp
        while !Task.isCancelled {
            try? await Task.sleep(for: Self.pause)
            let stamp = FileStamp(path)
            guard stamp != seen else { continue }
            seen = stamp
            do throws(PasswordListError) {
                let read = try PasswordList(file: path)
                list.withLock { $0 = read }
                logger.notice(
                    "The list of logins was changed", metadata: ["file": "\(path)", "logins": "\(read.count)"])
            } catch {
                logger.error(
                    "The list of logins was changed, and can't be used; the one before still holds",
                    metadata: ["error": "\(error)"])
            }
        }
    }
}
