import BelfryModel
import NIOConcurrencyHelpers
import NIOCore
import NIOWebSocket
import STOMP
import TestBasics

/// A STOMP client over a WebSocket, as an application's would be: for tests that look at Belfry from outside.
public final class STOMPClient: Sendable {
    private struct State {
        var decoder = FrameDecoder(limits: roomy)
        var frames: [Frame] = []
        var heartBeats = 0
        var closeCode: UInt16?
        var isEnded = false
        var fault: String?
    }

    private static let roomy: Limits = {
        var limits = Limits()
        limits.bodyBytesMax = 8 * 1024 * 1024
        return limits
    }()

    public let socket: WebSocketClient
    private let state = NIOLockedValueBox(State())

    public init(_ socket: WebSocketClient) { self.socket = socket }

    /// Connects and logs in; with the development authenticator the token is the user's id.
    public static func connect(
        port: Int, token: String, heartBeat: String = "0,0", headers: Headers = Headers()
    ) async throws -> STOMPClient {
        let client = STOMPClient(try await .connect(port: port, subprotocols: ["v12.stomp"]))
        var all: Headers = [
            "accept-version": "1.2", "host": "localhost", "heart-beat": heartBeat, "Authorization": "Bearer \(token)",
        ]
        for header in headers { all.append(header.name, header.value) }
        try await client.send(Frame(.connect, all))
        let answer = try await client.next("CONNECTED")
        guard answer.command == .connected else {
            throw NotInTime(description: "Not connected: \(answer.headers["message"] ?? "") \(answer.text)")
        }
        return client
    }

    // MARK: Sending

    public func send(_ frame: Frame) async throws {
        var bytes = ByteBuffer()
        FrameEncoder().encode(frame, into: &bytes)
        try await socket.send(bytes)
    }

    public func subscribe(
        _ destination: String, id: String = "0", ack: String = "client-individual", receipt: String? = nil,
        lastMessageID: String? = nil
    ) async throws {
        var headers: Headers = ["id": id, "destination": destination, "ack": ack]
        if let receipt { headers.append("receipt", receipt) }
        if let lastMessageID { headers.append("last-message-id", lastMessageID) }
        try await send(Frame(.subscribe, headers))
        if let receipt { _ = try await nextReceipt(receipt) }
    }

    public func ack(_ message: Frame, receipt: String? = nil) async throws {
        try await answer(.ack, message, receipt: receipt)
    }

    public func nack(_ message: Frame, receipt: String? = nil) async throws {
        try await answer(.nack, message, receipt: receipt)
    }

    private func answer(_ command: Command, _ message: Frame, receipt: String?) async throws {
        var headers: Headers = ["id": message.headers["ack"] ?? ""]
        if let receipt { headers.append("receipt", receipt) }
        try await send(Frame(command, headers))
        if let receipt { _ = try await nextReceipt(receipt) }
    }

    /// Says DISCONNECT and waits for the receipt and the end.
    public func disconnect() async throws {
        try await send(Frame(.disconnect, ["receipt": "bye"]))
        _ = try await nextReceipt("bye")
        try await ended()
    }

    // MARK: Receiving

    /// The next frame, in the order of arrival.
    public func next(_ what: String, within limit: Duration = .seconds(20)) async throws -> Frame {
        try await eventually(what, within: limit) {
            drain { state in state.frames.isEmpty ? nil : state.frames.removeFirst() }
        }
    }

    /// The next MESSAGE; other frames before it are an error.
    public func nextMessage(within limit: Duration = .seconds(20)) async throws -> Frame {
        let frame = try await next("a MESSAGE", within: limit)
        guard frame.command == .message else {
            throw NotInTime(
                description: "Not a MESSAGE but \(frame.command): \(frame.headers["message"] ?? "") \(frame.text)")
        }
        return frame
    }

    public func nextMessages(_ count: Int, within limit: Duration = .seconds(30)) async throws -> [Frame] {
        var frames: [Frame] = []
        while frames.count < count { frames.append(try await nextMessage(within: limit)) }
        return frames
    }

    /// The RECEIPT with this id; MESSAGEs before it stay for later.
    public func nextReceipt(_ id: String, within limit: Duration = .seconds(20)) async throws -> Frame {
        try await eventually("the receipt \(id)", within: limit) {
            drain { state in
                state.frames.firstIndex { $0.command == .receipt && $0.headers["receipt-id"] == id }
                    .map { state.frames.remove(at: $0) }
            }
        }
    }

    /// Takes all frames that have arrived.
    public func takeFrames() -> [Frame] {
        drain { state in
            defer { state.frames.removeAll() }
            return state.frames
        }
    }

    /// Whether the server has closed, or the connection is gone.
    public var isEnded: Bool { drain { $0.isEnded || $0.closeCode != nil } }

    /// Frames that have arrived and were not taken.
    public var pendingFrames: [Frame] { drain { $0.frames } }
    public var heartBeats: Int { drain { $0.heartBeats } }

    /// Waits until the server has closed, and returns the code of its Close frame.
    @discardableResult
    public func ended(within limit: Duration = .seconds(20)) async throws -> UInt16? {
        try await eventually("the end of the connection", within: limit) {
            drain { $0.isEnded || $0.closeCode != nil }
        }
        return drain { $0.closeCode }
    }

    private func drain<Value>(_ body: (inout State) -> Value) -> Value {
        state.withLockedValue { state in
            for event in socket.takeEvents() { Self.take(event, into: &state) }
            return body(&state)
        }
    }

    private static func take(_ event: WebSocketClient.Event, into state: inout State) {
        switch event {
        case .text(let bytes), .binary(let bytes):
            var bytes = bytes
            state.decoder.feed(&bytes)
            do throws(FrameError) {
                while let decoded = try state.decoder.next() {
                    switch decoded {
                    case .frame(let frame): state.frames.append(frame)
                    case .heartBeat: state.heartBeats += 1
                    }
                }
            } catch {
                state.fault = error.message
            }
        case .pong: break
        case .close(let code, _): state.closeCode = code ?? 1005
        case .ended: state.isEnded = true
        }
    }
}

extension Frame {
    /// The body as text.
    public var text: String { String(buffer: body) }
    /// The `message-id` of a MESSAGE.
    public var messageID: Int64 { headers["message-id"].flatMap { Int64($0) } ?? 0 }
}
