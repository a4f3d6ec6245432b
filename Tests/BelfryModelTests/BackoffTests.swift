import BelfryModel
import Testing

@Suite("Backoff")
struct BackoffTests {
    @Test("Each pause is between half of, and the whole of, the doubled one, and the limit bounds it")
    func bounds() {
        var backoff = Backoff(first: .milliseconds(50), limit: .seconds(2))
        for failure in 0..<200 {
            let whole = min(Duration.milliseconds(50) * (1 << min(failure, 20)), .seconds(2))
            let pause = backoff.next()
            #expect(pause <= whole)
            #expect(pause >= whole / 2)
        }
    }

    @Test("A success starts it over")
    func reset() {
        var backoff = Backoff(first: .milliseconds(50), limit: .seconds(2))
        for _ in 0..<10 { _ = backoff.next() }
        #expect(backoff.next() >= .seconds(1))
        backoff.reset()
        #expect(backoff.next() <= .milliseconds(50))
        #expect(backoff.next() <= .milliseconds(100))
    }

    @Test("A first pause above the limit is cut to it")
    func firstAboveLimit() {
        var backoff = Backoff(first: .seconds(10), limit: .seconds(1))
        for _ in 0..<5 { #expect(backoff.next() <= .seconds(1)) }
    }

    @Test("Two processes do not come back in step")
    func jitter() {
        let pauses = (0..<20).map { _ in
            var backoff = Backoff(first: .seconds(1), limit: .seconds(1))
            return backoff.next()
        }
        #expect(Set(pauses).count > 10)
    }
}
