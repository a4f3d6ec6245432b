import BelfryModel
import Foundation
import NIOCore
import NIOPosix
import OutgoingHTTP

/// Signs and sends webhooks, each once: Standard Webhooks 1.0 (https://www.standardwebhooks.com).
public struct WebhookSender: Sendable {
    private let client: OutgoingHTTPClient
    private let timeout: Duration

    /// On event loops of its own: what it does delays nobody's messages.
    public init(policy: EscalationPolicy) {
        client = OutgoingHTTPClient(
            eventLoopGroup: MultiThreadedEventLoopGroup.singleton, connectionsMax: policy.connectionsMax)
        timeout = policy.timeout
    }

    /// Lets its connections go. To be called once, at the end.
    public func shutdown() async { await client.shutdown() }

    /// One try.
    ///
    /// - Parameters:
    ///   - url: one that the rules allow.
    ///   - id: the same for each try of one webhook.
    ///   - body: JSON.
    public func send(to url: String, id: String, body: String, secrets: SigningSecrets) async -> WebhookVerdict {
        let timestamp = Int(Date().timeIntervalSince1970)
        let bytes = Data(body.utf8)
        let request = OutgoingRequest(
            .post, url,
            fields: [
                ("Content-Type", "application/json"), ("User-Agent", "Belfry"), ("webhook-id", id),
                ("webhook-timestamp", "\(timestamp)"),
                ("webhook-signature", secrets.signature(id: id, timestamp: timestamp, body: bytes)),
            ],
            body: ByteBuffer(string: body))
        do throws(OutgoingHTTPError) {
            return WebhookVerdict(try await client.tell(request, timeout: timeout))
        } catch {
            return WebhookVerdict(error)
        }
    }
}
