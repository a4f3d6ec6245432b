import ArgumentParser
import Foundation
import Gateway
import NIOCore
import Postgres

/// A command that failed: one sentence on standard error and exit code 1.
struct CommandFailure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }

    /// What a person should read of an error.
    init(_ error: any Error, configuration: BelfryConfiguration? = nil) {
        switch error {
        case let error as PostgresError:
            description = [error.message, error.detail, error.hint].compactMap(\.self).joined(separator: " ")
        case let error as IOError where error.errnoCode == EADDRINUSE:
            let address = configuration.map { "\($0.listen)" } ?? "The address"
            description =
                "\(address) is in use already: end the program that listens there, or choose another with --listen."
        case let error as IOError where error.errnoCode == EACCES || error.errnoCode == EADDRNOTAVAIL:
            let address = configuration.map { "\($0.listen)" } ?? "the address"
            description =
                "Can't listen on \(address): \(String(cString: strerror(error.errnoCode))). Choose another with --listen."
        default:
            description = "\(error)"
        }
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
        } catch is CancellationError {
            throw CommandFailure("Interrupted.")
        } catch {
            throw CommandFailure(error)
        }
    }
}
