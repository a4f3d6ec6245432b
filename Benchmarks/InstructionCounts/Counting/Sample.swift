import BelfryModel
import Bus
import NIOCore

/// The fixed inputs that the cases share: a message of the size that applications send.
public enum Sample {
    /// Of the n-th message; all have the same number of digits, so that every iteration does the same work.
    public static func id(_ iteration: Int) -> MessageID { MessageID(rawValue: Int64(1_000_000 + iteration)) }

    /// Of the n-th message's transaction.
    public static func xid(_ iteration: Int) -> UInt64 { UInt64(2_000_000 + iteration) }

    /// Of the n-th message.
    public static func createdAt(_ iteration: Int) -> Int64 { 1_741_871_402_123_456 + Int64(iteration) }

    /// Whose they are.
    public static let origin = Envelope.Origin(
        installation: UniqueID(high: 1, low: 2), incarnation: UniqueID(high: 3, low: 4), term: 1)

    /// One header, as tracing adds it.
    public static let headerLines = "traceparent:00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\n"

    /// The finished JSON body, some of it outside ASCII.
    public static let body =
        #"{"id":"1000000","type":"ORDER_SHIPPED","receiver":"alice","data":{"order":"2024-118-77","carrier":"Post","#
        + #""items":[{"sku":"K-2210","name":"Küchenmesser","count":1},{"sku":"K-0031","name":"Wetzstein","count":2}],"#
        + #""eta":"2025-03-14","url":"https://shop.example/orders/2024-118-77"},"viewed":false,"#
        + #""created":1741871402123}"#

    /// The n-th message as it crosses the bus.
    public static func envelope(_ iteration: Int) -> ByteBuffer {
        var buffer = ByteBuffer()
        Array(headerLines.utf8).withUnsafeBytes { headerLines in
            Array(body.utf8).withUnsafeBytes { body in
                Envelope.encode(
                    origin: origin, id: id(iteration), xid: xid(iteration), createdAtMicroseconds: createdAt(iteration),
                    expiresAtMilliseconds: nil, headerLines: headerLines, body: body, into: &buffer)
            }
        }
        return buffer
    }

    /// CONNECT as a browser sends it, with a JWT of usual length.
    public static let connect =
        "CONNECT\naccept-version:1.2,1.1,1.0\nheart-beat:10000,10000\nhost:shop.example\nAuthorization:Bearer "
        + "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9." + String(repeating: "eyJzdWIiOiJhbGljZSJ9", count: 16)
        + ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk\n\n\0"

    /// SUBSCRIBE as a browser sends it.
    public static let subscribe = "SUBSCRIBE\nid:sub-0\ndestination:/user/queue/msg\nack:client-individual\n\n\0"

    /// The ACK of the n-th message on the first subscription.
    public static func acknowledgement(_ iteration: Int) -> String { "ACK\nid:1-\(id(iteration))\n\n\0" }
}
