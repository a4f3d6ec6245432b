import BelfryClient
import Foundation
import ServiceLifecycle

/// Follows a user's messages until it is told to end.
struct TailService: Service {
    let client: BelfryClient
    let url: String
    let token: TailToken
    /// Who the token must be of; `nil` for anybody.
    let user: String?
    let topics: [String]
    /// Messages of the history to begin with.
    let historyMax: Int
    let acknowledges: Bool
    let form: TailForm

    /// Messages that a node has in flight on a subscription: as many go unacknowledged until it is made anew.
    private static let windowMax = 1_000
    /// Pause before looking again whether somebody has acknowledged what fills the window.
    private static let fullWindowPause: Duration = .seconds(10)
    private static let pageMax = 100

    func run() async throws {
        do {
            try await cancelWhenGracefulShutdown { try await follow() }
        } catch is TailReaderGone {
            return
        } catch is CancellationError {
            return
        } catch let error as BelfryClientError {
            throw CommandFailure(sentence(error))
        }
    }

    private func follow() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await client.run() }
            group.addTask { try await tellOfTheConnection() }
            group.addTask { try await follow("/user/queue/tail") }
            for topic in topics { group.addTask { try await follow("/topic/\(topic)") } }
            // The first that ends, ends all: with an error, or when it was cancelled.
            _ = try await group.next()
            group.cancelAll()
        }
    }

    /// A first connection that fails is the end; later ones are tried again.
    private func tellOfTheConnection() async throws {
        var wasConnected = false
        for await state in client.states {
            switch state {
            case .idle, .connecting: break
            case .connected(let session):
                if let user, user != session.user {
                    throw CommandFailure("The token is that of '\(session.user)', not of '\(user)'.")
                }
                if wasConnected { StandardError.write("Connected again.") }
                wasConnected = true
            case .reconnecting(let error, _, let pause):
                guard wasConnected else { throw error }
                let seconds = (pause / .seconds(1) * 10).rounded() / 10
                StandardError.write("\(error) It is tried again in \(seconds) s.")
            case .closed(let error):
                if let error { throw error }
                return
            }
        }
    }

    private func follow(_ destination: String) async throws {
        let isTopic = destination.hasPrefix("/topic/")
        var shown = RecentIDs()
        var last: String?
        var isFirst = true
        while true {
            var messages = client.messages(destination, ack: .clientIndividual, after: last).makeAsyncIterator()
            try await messages.subscribed()
            // From here on nothing is missed, so that history and what arrives join.
            if isFirst, !isTopic { for id in try await printHistory() { _ = shown.insert(id) } }
            isFirst = false
            var (held, isNews) = (0, false)
            while held < Self.windowMax {
                guard let message = try await messages.next() else { return }
                if acknowledges { message.ack() } else { held += 1 }
                if isTopic { last = message.id }
                guard shown.insert(message.id) else { continue }
                isNews = true
                try TailReaderGone.print(form.line(message))
            }
            if !isNews { try await waitForAcknowledgements() }
        }
    }

    private func waitForAcknowledgements() async throws {
        StandardError.write(
            "\(Self.windowMax) messages wait for their acknowledgement: what came after them is not shown, but by "
                + "--history.")
        try await Task.sleep(for: Self.fullWindowPause)
    }

    /// - Returns: the ids of what was printed.
    private func printHistory() async throws -> [String] {
        var messages: [BelfryClient.Notification] = []
        while messages.count < historyMax {
            let page = try await client.history(
                before: messages.last?.id, limit: min(Self.pageMax, historyMax - messages.count))
            messages += page.messages
            if page.messages.isEmpty { break }
        }
        for message in messages.reversed() { try TailReaderGone.print(form.line(message)) }
        return messages.map(\.id)
    }

    /// What to do about it, too.
    private func sentence(_ error: BelfryClientError) -> String {
        switch error.code {
        case .tokenRefused: "\(error) \(token.hint)"
        case .unreachable, .handshakeRefused: "\(error) Is that a node's address (--url \(url))?"
        default: "\(error)"
        }
    }
}

/// The ids of what was shown, the latest of them.
struct RecentIDs {
    private static let idsMax = 10_000
    private var ids: Set<String> = []
    private var order: [String] = []
    private var oldest = 0

    /// - Returns: whether it is new.
    mutating func insert(_ id: String) -> Bool {
        guard ids.insert(id).inserted else { return false }
        if order.count < Self.idsMax {
            order.append(id)
        } else {
            ids.remove(order[oldest])
            order[oldest] = id
            oldest = (oldest + 1) % Self.idsMax
        }
        return true
    }
}
