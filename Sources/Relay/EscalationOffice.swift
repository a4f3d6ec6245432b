import BelfryModel
import Metrics
import Outbox
import Synchronization
import Webhooks

/// Where webhooks go out: by which rules they may, how many at once to which server, and what came of them.
final class EscalationOffice: Sendable {
    private struct State {
        /// By server.
        var paces: [String: EndpointPace] = [:]
        /// By type.
        var problems: [String: String] = [:]
        var urls: [String: WebhookURL] = [:]
        var results: [Ended] = []
        var underWay = 0
        /// Made when there is a rule.
        var sender: WebhookSender?
    }

    /// What came of a try, and where it went.
    struct Ended: Sendable {
        let result: EscalationResult
        fileprivate let endpoint: String
    }

    /// Signalled when a try has ended.
    let signal = WakeSignal()
    private let policy: EscalationPolicy
    private let installation: UniqueID
    private let secrets: SecretSource
    private let rules: Result<WebhookURLRules, WebhookProblem>
    private let schedule: RetrySchedule
    private let state = Mutex(State())

    init(policy: EscalationPolicy, installation: UniqueID) {
        self.policy = policy
        self.installation = installation
        secrets = SecretSource(policy: policy)
        schedule = RetrySchedule(policy: policy)
        do throws(WebhookProblem) {
            rules = .success(try WebhookURLRules(allowed: policy.allowedURLs))
        } catch {
            rules = .failure(error)
        }
    }

    func close() async { await state.withLock { $0.sender }?.shutdown() }

    /// Finds out which rules can be sent by.
    func sort(_ orders: [EscalationOrder]) -> [EscalationOrder] {
        let secrets = secrets.current()
        state.withLock { state in
            state.problems = [:]
            state.urls = [:]
            for order in orders {
                do throws(WebhookProblem) {
                    _ = try secrets.get()
                    state.urls[order.type] = try rules.get().judge(order.url).get()
                } catch {
                    state.problems[order.type] = error.description
                }
            }
            let endpoints = Set(state.urls.values.map(\.endpoint))
            state.paces = state.paces.filter { endpoints.contains($0.key) }
            for endpoint in endpoints where state.paces[endpoint] == nil {
                state.paces[endpoint] = EndpointPace(limit: policy.connectionsMax)
            }
            if state.sender == nil, !endpoints.isEmpty { state.sender = WebhookSender(policy: policy) }
        }
        return orders
    }

    /// Why nothing goes out by a rule.
    func problem(of order: EscalationOrder) -> String? { state.withLock { $0.problems[order.type] } }

    /// How many more may begin now; `nil` for none.
    func room(for order: EscalationOrder) -> Int? {
        state.withLock { state in
            guard let url = state.urls[order.type], let pace = state.paces[url.endpoint] else { return nil }
            let room = pace.room(at: .now)
            return room > 0 ? room : nil
        }
    }

    /// Takes a webhook on, and sends it at once, on a task of its own: it outlives the leadership, as what the
    /// application answers is true whoever leads.
    func send(_ escalation: ClaimedEscalation, _ order: EscalationOrder, seconds: Timer) {
        let (sender, endpoint, began) = state.withLock { state in
            let endpoint = state.urls[order.type]?.endpoint ?? ""
            state.underWay += 1
            return (state.sender, endpoint, state.paces[endpoint]?.began(1) ?? 0)
        }
        let secrets = secrets.current()
        let mailing = Mailing(escalation: escalation, endpoint: endpoint, began: began)
        let id = "belfry_\(installation)_\(escalation.messageID)"
        Task {
            let start = ContinuousClock.now
            var verdict: WebhookVerdict?
            if let sender, case .success(let secrets) = secrets {
                verdict = await sender.send(to: order.url, id: id, body: escalation.body, secrets: secrets)
            }
            seconds.record(duration: start.duration(to: .now))
            ended(mailing, verdict)
        }
    }

    /// One webhook on its way.
    private struct Mailing: Sendable {
        let escalation: ClaimedEscalation
        let endpoint: String
        let began: Int
    }

    /// Whether nothing is under way, and nothing is to be noted.
    var isDone: Bool { state.withLock { $0.underWay == 0 && $0.results.isEmpty } }

    private func ended(_ mailing: Mailing, _ verdict: WebhookVerdict?) {
        state.withLock { state in
            state.underWay -= 1
            // Not sent: its lease ends.
            guard let verdict else {
                state.paces[mailing.endpoint]?.noted()
                return
            }
            let result = result(mailing.escalation, verdict)
            state.results.append(Ended(result: result, endpoint: mailing.endpoint))
            // What refuses this very one works.
            var (isUp, asked): (Bool, Duration?) = (true, nil)
            if case .again(_, _, let after) = verdict { (isUp, asked) = (false, after) }
            state.paces[mailing.endpoint]?.ended(isUp: isUp, asked: asked, began: mailing.began, at: .now)
        }
        signal.signal()
    }

    private func result(_ escalation: ClaimedEscalation, _ verdict: WebhookVerdict) -> EscalationResult {
        var result = EscalationResult(
            messageID: escalation.messageID, attempt: escalation.attempt, outcome: .sent, status: nil, error: nil)
        switch verdict {
        case .accepted(let status): result.status = status
        case .refused(let reason, let status):
            result.outcome = .failed
            (result.error, result.status) = (reason, status)
        case .gone(let reason):
            result.outcome = .gone
            (result.error, result.status) = (reason, 410)
        case .again(let reason, let status, let after):
            (result.error, result.status) = (reason, status)
            if let pause = schedule.pause(afterAttempts: escalation.counted, asked: after) {
                result.outcome = .again
                result.pause = pause
            } else {
                result.outcome = .failed
                result.error = "\(reason) That was the last of \(escalation.counted) tries."
            }
        }
        return result
    }

    /// What is to be noted.
    func takeResults() -> [Ended] {
        state.withLock { state in
            defer { state.results = [] }
            return state.results
        }
    }

    /// They could not be noted: they come again.
    func putBack(_ results: [Ended]) { state.withLock { $0.results = results + $0.results } }

    /// They are noted: others may go out in their place.
    func noted(_ results: [Ended]) {
        state.withLock { state in for ended in results { state.paces[ended.endpoint]?.noted() } }
    }
}
