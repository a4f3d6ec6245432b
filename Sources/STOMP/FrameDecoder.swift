import BelfryModel
import NIOCore

/// Turns bytes, however they are split, into STOMP frames and heart-beats ("STOMP 1.2, STOMP Frames").
///
/// Each byte is looked at once, and a body is a slice of the bytes that were fed. Lines may end in LF or CRLF in every
/// version: no conforming frame of 1.0 or 1.1 has a CR there that would be lost. After an error every further call
/// throws it again.
public struct FrameDecoder: Sendable {
    /// What was found in the bytes.
    public enum Event: Hashable, Sendable {
        case frame(Frame)
        /// An EOL between two frames ("STOMP 1.2, Heart-beating"); some clients also send one after each frame.
        case heartBeat
    }

    enum Phase: Sendable { case betweenFrames, headers, sizedBody, terminatedBody }

    /// Whose escaping rules are used, from the next header line on. CONNECT, STOMP and CONNECTED have none.
    public var version: ProtocolVersion

    let headerLineBytesMax: Int
    let headerBytesMax: Int
    let headersMax: Int
    let bodyBytesMax: Int

    /// Bytes fed and not yet understood.
    var pending = ByteBuffer()
    /// How many of `pending` were already searched for the end of the line or body.
    var scanned = 0
    var phase = Phase.betweenFrames
    /// The command of the frame being read; only meaningful within a frame.
    var command = Command.error
    var headers = Headers()
    /// Bytes of the header lines of the frame being read.
    var headerBytes = 0
    /// The `content-length` of the frame being read, in phase `.sizedBody`.
    var bodyBytes = 0
    private var failure: FrameError?

    /// - Parameter limits: of which `headerLineBytesMax`, `headerBytesMax`, `headersMax` and `bodyBytesMax` are used.
    public init(version: ProtocolVersion = .v12, limits: Limits = Limits()) {
        self.version = version
        headerLineBytesMax = limits.headerLineBytesMax
        headerBytesMax = limits.headerBytesMax
        headersMax = limits.headersMax
        bodyBytesMax = limits.bodyBytesMax
    }

    /// Takes all readable bytes. Call `next()` until it returns `nil` before feeding more, so that no more than one
    /// unfinished frame is held.
    public mutating func feed(_ bytes: inout ByteBuffer) {
        if failure != nil {
            bytes.moveReaderIndex(to: bytes.writerIndex)
        } else if pending.readableBytes == 0 {
            pending = bytes.slice()
            bytes.moveReaderIndex(to: bytes.writerIndex)
        } else {
            // Moves fewer bytes than were consumed since the last time, so the whole stays linear.
            if pending.readerIndex > pending.readableBytes { pending.discardReadBytes() }
            pending.writeBuffer(&bytes)
        }
    }

    /// Whether these bytes, fed now, would be one heart-beat and nothing else: the most frequent thing a client sends
    /// need not be fed.
    public func isHeartBeat(_ bytes: ByteBuffer) -> Bool {
        guard bytes.readableBytes == 1, phase == .betweenFrames, pending.readableBytes == 0, failure == nil else {
            return false
        }
        return bytes.getInteger(at: bytes.readerIndex, as: UInt8.self) == UInt8(ascii: "\n")
    }

    /// The next frame or heart-beat; `nil` when more bytes are needed.
    ///
    /// - Throws: `FrameError` when the bytes are not STOMP or over a limit.
    public mutating func next() throws(FrameError) -> Event? {
        if let failure { throw failure }
        do throws(FrameError) {
            let event = try advance()
            if event == nil { pending.releaseSpareStorage() }
            return event
        } catch {
            failure = error
            pending = ByteBuffer()
            headers = Headers()
            throw error
        }
    }

    private mutating func advance() throws(FrameError) -> Event? {
        while true {
            switch phase {
            case .betweenFrames:
                switch try readCommandLine() {
                case .incomplete: return nil
                case .heartBeat: return .heartBeat
                case .command: phase = .headers
                }
            case .headers:
                guard let isEnd = try readHeaderLine() else { return nil }
                if isEnd { try startBody() }
            case .sizedBody:
                guard let body = try readSizedBody() else { return nil }
                return .frame(finishFrame(body))
            case .terminatedBody:
                guard let body = try readTerminatedBody() else { return nil }
                return .frame(finishFrame(body))
            }
        }
    }

    private mutating func finishFrame(_ body: ByteBuffer) -> Frame {
        let frame = Frame(command, headers, body: body)
        headers = Headers()
        headerBytes = 0
        phase = .betweenFrames
        return frame
    }

    func error(
        _ code: FrameError.Code, _ message: String, file: String = #fileID, line: Int = #line
    ) -> FrameError {
        let command: Command? =
            switch phase {
            case .betweenFrames: nil
            case .headers, .sizedBody, .terminatedBody: self.command
            }
        return FrameError(
            code, message, command: command, receipt: headers["receipt"], file: file, line: line)
    }
}
