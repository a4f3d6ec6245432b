import BelfryModel
import Counting
import Delivery
import NIOCore

/// What a subscription's machine costs by itself.
enum DeliveryCases {
    /// Messages that wait already in the case of holding.
    private static let held = 1_000

    static var all: [CountedCase] { [hold] }

    /// A live message is held behind many others while the backlog is read.
    private static var hold: CountedCase {
        CountedCase("delivery/hold-behind-\(held)", answer: 1) { iterations in
            let subscriber = Subscriber(heldMax: held + iterations + 1)
            for number in 0..<held {
                var message = message(number)
                _ = subscriber.hold(&message)
            }
            var messages = (0...iterations).map { message(held + $0) }
            return { iteration in subscriber.hold(&messages[iteration]) ? 1 : 0 }
        }
    }

    private final class Subscriber {
        private var machine: DeliveryMachine

        init(heldMax: Int) {
            machine = DeliveryMachine(
                source: .queue, ackMode: .client,
                bounds: .init(inFlightMax: 1_000, heldMax: heldMax, heldBytesMax: .max),
                history: DeliveryHistory(now: .now(), marks: nil))
            machine.channelOpened()
        }

        func hold(_ message: inout Message) -> Bool { machine.liveReceived(&message) == .hold }
    }

    private static func message(_ number: Int) -> Message {
        Message(
            stamp: MessageStamp(
                id: MessageID(rawValue: Int64(number + 1)), xid: 2_000, createdAtMicroseconds: Int64(number)),
            expiresAtMilliseconds: nil, isRedelivered: false, headerLines: ByteBuffer(),
            body: ByteBuffer(string: Sample.body))
    }
}
