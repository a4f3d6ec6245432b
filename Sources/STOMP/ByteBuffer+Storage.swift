import NIOCore

extension ByteBuffer {
    /// Gives back storage that a few bytes, or none, keep alive: an idle session must not hold that of its last read.
    package mutating func releaseSpareStorage() {
        if readableBytes == 0 {
            self = ByteBuffer()
        } else if storageCapacity > 4 * readableBytes + 1024 {
            self = ByteBuffer(bytes: readableBytesView)
        }
    }
}
