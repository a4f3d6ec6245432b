import HTTPTypes
import Hummingbird

/// What pages of other origins may read. Which pages may have a browser ask at all, `RequestRules` has decided.
enum CrossOrigin {
    private static let allowedHeaders = "authorization, content-type, idempotency-key, if-none-match"
    private static let exposedHeaders = "etag, link, retry-after"
    /// Seconds for which a browser need not ask again.
    private static let maxAge = "600"

    /// An answer that the page may read which had the browser ask.
    static func shared(_ response: Response, with request: Request) -> Response {
        var response = response
        response.headers[.vary] = "Origin"
        guard let origin = request.headers[.origin] else { return response }
        response.headers[.accessControlAllowOrigin] = origin
        response.headers[.accessControlExposeHeaders] = exposedHeaders
        return response
    }

    /// The answer to a browser's question before the request itself (Fetch, "CORS-preflight request").
    ///
    /// - Parameter methods: those of the path.
    static func preflight(methods: String) -> Response {
        Response(
            status: .noContent,
            headers: [
                .allow: methods, .accessControlAllowMethods: methods, .accessControlAllowHeaders: allowedHeaders,
                .accessControlMaxAge: maxAge,
            ])
    }
}
