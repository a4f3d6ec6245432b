/// Printed, a configuration shows no value: URLs hold passwords, and libraries print whole services in debug logs.
extension BelfryConfiguration: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    var description: String { "BelfryConfiguration(…)" }
    var debugDescription: String { description }
    var customMirror: Mirror { Mirror(self, children: ["description": description]) }
}
