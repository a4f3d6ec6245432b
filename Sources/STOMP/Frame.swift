import NIOCore

/// A STOMP frame, its headers unescaped ("STOMP 1.2, STOMP Frames").
public struct Frame: Hashable, Sendable {
    public var command: Command
    public var headers: Headers
    public var body: ByteBuffer

    public init(_ command: Command, _ headers: Headers = Headers(), body: ByteBuffer = ByteBuffer()) {
        self.command = command
        self.headers = headers
        self.body = body
    }

    /// The answer to a frame that had a `receipt` header, sent once that frame's work is done ("STOMP 1.2, RECEIPT").
    ///
    /// - Parameter receipt: the value of the `receipt` header.
    public static func receipt(for receipt: String) -> Frame {
        Frame(.receipt, ["receipt-id": receipt])
    }
}

extension Frame: CustomStringConvertible {
    /// Command, header names and size of the body; no values, which may be secrets.
    public var description: String {
        "\(command.rawValue) [\(headers.map(\.name).joined(separator: ", "))] + \(body.readableBytes) bytes"
    }
}
