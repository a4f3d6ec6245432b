import HTTPTypes
import Hummingbird

/// A method of a path, and what answers it.
struct Route: Sendable {
    let method: HTTPRequest.Method
    /// With parameters in braces.
    let path: String
    /// Whether it counts against the user's requests a second.
    let isCounted: Bool
    let handler: @Sendable (APIRequest) async throws(Problem) -> Response

    init(
        _ method: HTTPRequest.Method, _ path: String, isCounted: Bool = true,
        _ handler: @escaping @Sendable (APIRequest) async throws(Problem) -> Response
    ) {
        self.method = method
        self.path = path
        self.isCounted = isCounted
        self.handler = handler
    }
}
