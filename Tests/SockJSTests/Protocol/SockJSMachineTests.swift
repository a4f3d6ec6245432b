import NIOCore
import Testing

@testable import SockJS

/// Every state with every event.
@Suite("SockJSMachine")
struct SockJSMachineTests {
    private let end = CloseFrame(code: 3000, reason: "Go away!")

    @Test func new() {
        let machine = MachineUnderTest()
        #expect(!machine.isOpen && !machine.isAnswering && !machine.isEnded)
        machine.responseEnded()
        #expect(!machine.isOpen)
        #expect(machine.requestArrived() == .open)
        let lost = MachineUnderTest()
        #expect(lost.responseLost() && lost.isEnded)
        let closed = MachineUnderTest()
        #expect(closed.close(end) && closed.isEnded)
    }

    @Test func answering() {
        let machine = MachineUnderTest()
        _ = machine.requestArrived()
        #expect(machine.isOpen && machine.isAnswering && !machine.isEnded)
        #expect(machine.requestArrived() == .refuse(.alreadyOpen))
        #expect(machine.isAnswering)
        machine.responseEnded()
        #expect(machine.isOpen && !machine.isAnswering)
    }

    @Test func waiting() {
        let machine = MachineUnderTest()
        _ = machine.requestArrived()
        machine.responseEnded()
        machine.responseEnded()
        #expect(machine.isOpen && !machine.isAnswering)
        #expect(machine.requestArrived() == .resume)
        machine.responseEnded()
        #expect(machine.close(end))
        #expect(machine.requestArrived() == .farewell(end))
    }

    @Test func ended() {
        let machine = MachineUnderTest()
        _ = machine.requestArrived()
        #expect(machine.responseLost())
        #expect(!machine.isOpen && !machine.isAnswering && machine.isEnded)
        #expect(!machine.responseLost() && !machine.close(end))
        machine.responseEnded()
        // As often as it is asked.
        #expect(machine.requestArrived() == .farewell(.interrupted))
        #expect(machine.requestArrived() == .farewell(.interrupted))
    }

    @Test func frames() {
        #expect(String(buffer: end.payload) == #"c[3000,"Go away!"]"#)
        #expect(String(buffer: CloseFrame(.shuttingDown).payload).hasPrefix("c[1012,\""))
        #expect(
            String(buffer: CloseFrame(code: 1, reason: "\"</script>\u{2028}").payload) == #"c[1,"\"</script>\u2028"]"#)
    }
}

/// The machine behind a reference, as expectations copy what they look at.
private final class MachineUnderTest {
    private var machine = SockJSMachine()

    var isOpen: Bool { machine.isOpen }
    var isAnswering: Bool { machine.isAnswering }
    var isEnded: Bool { machine.isEnded }
    func requestArrived() -> SockJSMachine.Arrival { machine.requestArrived() }
    func responseEnded() { machine.responseEnded() }
    func responseLost() -> Bool { machine.responseLost() }
    func close(_ frame: CloseFrame) -> Bool { machine.close(frame) }
}
