import ArgumentParser
import Foundation
import HTTPServer
import Listening
import NIOCore
import Postgres

/// A command that failed: one sentence on standard error and exit code 1.
struct CommandFailure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }

    /// What a person should read of an error.
    ///
    /// - Parameter listen: where the process was to listen, for errors of that.
    init(_ error: any Error, listen: ListenAddress? = nil) {
        let listening = error as? ListenError
        let error = listening?.underlying ?? error
        let option = listening?.port == .stomp ? "--stomp" : "--listen"
        let address = listening.map { ListenAddress(host: $0.configuration.host, port: $0.configuration.port) }
        let place = (address ?? listen).map { "\($0)" } ?? "the address"
        switch error {
        case let error as PostgresError:
            description = Self.sentence(of: error)
        case let error as IOError where error.errnoCode == EADDRINUSE:
            description =
                "Can't listen on \(place), which is in use already: end the program that listens there, or choose "
                + "another address (\(option))."
        case let error as IOError where error.errnoCode == EACCES || error.errnoCode == EADDRNOTAVAIL:
            let reason = String(cString: strerror(error.errnoCode))
            description = "Can't listen on \(place): \(reason). Choose another address (\(option))."
        case is SocketAddressError, is SocketAddressError.UnknownHost:
            description = "Can't listen on \(place): no such host is known. Choose another address (\(option))."
        default:
            description = "\(error)"
        }
    }
}

extension CommandFailure {
    /// The server's message and, where it does not say what to do, what to do.
    private static func sentence(of error: PostgresError) -> String {
        let hint: String? =
            switch error.sqlState {
            case "42P01", "3F000", "42883":
                "The database lacks Belfry's schema, or has an older one: run belfry migrate."
            case "42501":
                "Connect with a role that may: one in belfry_operator for status and replay, in belfry_writer for "
                    + "notify, the schema's owner for migrate."
            default: error.hint
            }
        return PostgresError(error.code, error.message, hint: hint).sentence
    }
}

/// A command of Belfry's: what it throws becomes one sentence, and a wrong usage stays one.
protocol BelfrySubcommand: AsyncParsableCommand {
    func execute() async throws
}

extension BelfrySubcommand {
    public func run() async throws {
        do {
            try await execute()
        } catch let error as ValidationError {
            throw error
        } catch let error as CommandFailure {
            throw error
        } catch let status as ExitCode {
            // It has said everything.
            throw status
        } catch is CancellationError {
            throw CommandFailure("Interrupted.")
        } catch {
            throw CommandFailure(error)
        }
    }
}
