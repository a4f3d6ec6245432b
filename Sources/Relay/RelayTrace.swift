import BelfryModel
import MessageTrace
import Outbox

/// Notes what the relay of one term does with messages that are traced.
struct RelayTrace: Sendable {
    let recorder: TraceRecorder
    let term: Int64

    /// The bus has taken a row of a page.
    ///
    /// - Parameters:
    ///   - readAt: when the page was read.
    ///   - age: from the writing of the row until `now`.
    func published(
        _ row: Int, of page: RelayPage, readAt: ContinuousClock.Instant, at now: ContinuousClock.Instant, age: Duration
    ) {
        guard recorder.isOn else { return }
        let id = page.messageID(row)
        let mayWant = recorder.mayWant(id, hasHeaders: page.hasHeaderLines(row))
        let isSlow = recorder.looksAtAges && recorder.isSlow(ageMilliseconds: Int64(age / .milliseconds(1)))
        guard mayWant || isSlow, let choice = choice(id, row, of: page, isSlow: isSlow) else { return }

        var details = [("term", "\(term)"), ("xid", "\(page.xid(row))")]
        if page.isRedelivered(row) { details.append(("redelivered", "true")) }
        recorder.note(id, .pickedUp, choice.reason, at: readAt, details)
        recorder.note(id, .published, choice.reason, at: now, details)
        if recorder.makesSpans, let parent = choice.parent {
            addSpan(id, row, of: page, parent, took: readAt.duration(to: now), age: age)
        }
    }

    private func choice(_ id: MessageID, _ row: Int, of page: RelayPage, isSlow: Bool) -> TraceRecorder.Choice? {
        let receiver: String? = if case .user(let user) = page.address(row) { user } else { nil }
        let choice = page.withHeaderLines(row) { headerLines in
            page.withBody(row) { recorder.choice(of: id, headerLines: headerLines, receiver: receiver, body: $0) }
        }
        return choice ?? (isSlow && recorder.takesSlow() ? TraceRecorder.Choice(.slow) : nil)
    }

    private func addSpan(
        _ id: MessageID, _ row: Int, of page: RelayPage, _ parent: TraceParent, took: Duration, age: Duration
    ) {
        let now = SpanClock.now
        recorder.add(
            MessageSpan(
                .publish, parent: parent, message: id, address: page.address(row),
                publication: MessageSpan.Publication(xid: page.xid(row), term: term),
                start: now - UInt64(max(0, took / .nanoseconds(1))), end: now,
                bodyBytes: page.withBody(row) { $0.count },
                [
                    MessageSpan.Attribute("belfry.relay.term", .number(Int64(term))),
                    MessageSpan.Attribute("belfry.message.age_ms", .number(Int64(age / .milliseconds(1)))),
                ]))
    }

    /// The bus has refused a message.
    func failed(_ id: MessageID, _ what: Hop.What, _ reason: String) {
        recorder.note(id, what, .failed, [("term", "\(term)"), ("reason", reason)])
    }
}
