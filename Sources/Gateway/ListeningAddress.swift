import NIOConcurrencyHelpers
import NIOCore

/// Where the server listens, for whoever waits to know.
final class ListeningAddress: Sendable {
    private enum State {
        case waiting([CheckedContinuation<SocketAddress, any Error>])
        case listening(SocketAddress)
        case failed(any Error)
    }

    private let state = NIOLockedValueBox(State.waiting([]))

    var address: SocketAddress? {
        state.withLockedValue { if case .listening(let address) = $0 { address } else { nil } }
    }

    func wait() async throws -> SocketAddress {
        try await withCheckedThrowingContinuation { continuation in
            state.withLockedValue { state in
                switch state {
                case .waiting(let waiting): state = .waiting(waiting + [continuation])
                case .listening(let address): continuation.resume(returning: address)
                case .failed(let error): continuation.resume(throwing: error)
                }
            }
        }
    }

    func succeed(_ address: SocketAddress) {
        finish(.listening(address)) { $0.resume(returning: address) }
    }

    func fail(_ error: any Error) {
        finish(.failed(error)) { $0.resume(throwing: error) }
    }

    private func finish(_ end: State, _ resume: (CheckedContinuation<SocketAddress, any Error>) -> Void) {
        let waiting: [CheckedContinuation<SocketAddress, any Error>] = state.withLockedValue { state in
            guard case .waiting(let waiting) = state else { return [] }
            state = end
            return waiting
        }
        waiting.forEach(resume)
    }
}
