import BelfryModel
import NIOCore

/// How addresses are named as channels of the bus: `<prefix>u:<user>` and `<prefix>t:<topic>`; where an installation is
/// named, `<prefix><installation>:u:<user>`.
public struct ChannelNames: Sendable, Hashable {
    /// The prefix of an installation that did not choose one.
    public static let defaultPrefix = "belfry:"

    /// What every channel's name starts with. The installation's id is a part of it, so that two installations on one
    /// server hear nothing of one another, whatever prefix their operators chose.
    public let prefix: String
    private let userPrefix: [UInt8]
    private let topicPrefix: [UInt8]

    public init(prefix: String = ChannelNames.defaultPrefix) {
        self.prefix = prefix
        self.userPrefix = Array(prefix.utf8) + Array("u:".utf8)
        self.topicPrefix = Array(prefix.utf8) + Array("t:".utf8)
    }

    /// - Parameters:
    ///   - prefix: the operator's.
    ///   - installation: whose messages the channels carry.
    public init(prefix: String, installation: UniqueID) {
        self.init(prefix: "\(prefix)\(installation):")
    }

    /// Appends the channel's name to `bytes`.
    public func append(_ address: Address, to bytes: inout [UInt8]) {
        switch address {
        case .user(let user):
            bytes.append(contentsOf: userPrefix)
            bytes.append(contentsOf: user.utf8)
        case .topic(let topic):
            bytes.append(contentsOf: topicPrefix)
            bytes.append(contentsOf: topic.utf8)
        }
    }

    /// The channel's name.
    public func bytes(of address: Address) -> [UInt8] {
        var bytes: [UInt8] = []
        append(address, to: &bytes)
        return bytes
    }

    /// The address that a channel's name stands for; `nil` for names of another prefix and for ones that are not
    /// UTF-8.
    public func address(of channel: ByteBuffer) -> Address? {
        channel.withUnsafeReadableBytes { bytes in
            if let user = Self.rest(of: bytes, after: userPrefix) {
                .user(user)
            } else if let topic = Self.rest(of: bytes, after: topicPrefix) {
                .topic(topic)
            } else {
                nil
            }
        }
    }

    private static func rest(of bytes: UnsafeRawBufferPointer, after prefix: [UInt8]) -> String? {
        guard bytes.starts(with: prefix) else { return nil }
        return String(validating: UnsafeRawBufferPointer(rebasing: bytes[prefix.count...]), as: UTF8.self)
    }
}
