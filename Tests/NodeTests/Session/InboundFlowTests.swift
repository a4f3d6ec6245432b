import BelfryModel
import Testing

@testable import Node

@Suite struct InboundFlowTests {
    private static func flow(receiptsOwedMax: Int = 4) -> InboundFlow {
        var limits = Limits()
        limits.receiptsOwedMax = receiptsOwedMax
        return InboundFlow(limits: limits, now: .now())
    }

    /// Spends the peer's turn.
    private static func spend(_ flow: inout InboundFlow) {
        for _ in 0...Turn.framesMax where flow.frameHandled() { return }
    }

    @Test func itReadsUntilSomethingHoldsItUp() {
        var flow = Self.flow()
        #expect(flow.changed(isClosing: false, isHeldUp: false) == nil, "it reads from the start")
        #expect(flow.changed(isClosing: false, isHeldUp: true) == false)
        #expect(flow.isPaused)
        #expect(flow.changed(isClosing: false, isHeldUp: true) == nil, "said once")
        #expect(flow.changed(isClosing: false, isHeldUp: false) == true)
        #expect(!flow.isPaused)
    }

    @Test func noFrameIsTakenAndLittleIsReadWhileItIsAskedWhoItIs() {
        var flow = Self.flow()
        flow.bytesReceived(1_000_000)
        flow.authenticationBegan()
        #expect(!flow.takesFrames)
        flow.bytesReceived(InboundFlow.unansweredBytesMax)
        #expect(flow.changed(isClosing: false, isHeldUp: false) == nil, "its end is to be seen")
        flow.bytesReceived(1)
        #expect(flow.changed(isClosing: false, isHeldUp: false) == false)
        #expect(flow.changed(isClosing: true, isHeldUp: false) == true, "its farewell is awaited")
        #expect(flow.changed(isClosing: false, isHeldUp: false) == false)
        flow.authenticationAnswered()
        #expect(flow.takesFrames)
        #expect(flow.changed(isClosing: false, isHeldUp: false) == true)
    }

    @Test func aTurnThatIsOverPausesUntilTheNext() {
        var flow = Self.flow()
        Self.spend(&flow)
        #expect(flow.isTurnOver && !flow.takesFrames)
        #expect(flow.frameHandled() == false, "its end is said once")
        #expect(flow.changed(isClosing: false, isHeldUp: false) == false)
        flow.readCompleted()
        #expect(flow.isTurnOver, "another read is not another turn")
        flow.turnCame()
        #expect(flow.takesFrames)
        #expect(flow.changed(isClosing: false, isHeldUp: false) == true)
    }

    @Test func tooManyReceiptsOwedPauseUntilHalfArePaid() {
        var flow = Self.flow()
        for _ in 0..<4 { flow.receiptOwed() }
        #expect(!flow.takesFrames)
        #expect(flow.changed(isClosing: false, isHeldUp: false) == false)
        #expect(flow.receiptPaid() == false)
        #expect(flow.receiptPaid() == true)
        #expect(flow.takesFrames)
        #expect(flow.changed(isClosing: false, isHeldUp: false) == true)
    }

    @Test func onceItIsClosingOnlyTheTurnCounts() {
        var flow = Self.flow()
        for _ in 0..<4 { flow.receiptOwed() }
        #expect(flow.changed(isClosing: true, isHeldUp: true) == nil)
        Self.spend(&flow)
        #expect(flow.changed(isClosing: true, isHeldUp: false) == false)
    }
}
