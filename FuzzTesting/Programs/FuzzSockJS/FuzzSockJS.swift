import FuzzBodies

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    FuzzedSockJS.run(UnsafeRawBufferPointer(start: bytes, count: count))
    return 0
}
