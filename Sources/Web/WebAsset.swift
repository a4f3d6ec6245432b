/// A page, script or style sheet that a node serves, embedded in the program.
public struct WebAsset: Sendable {
    /// From the root, such as `/stomp.js`.
    public let path: String
    /// Its media type, with the character set where it is text.
    public let contentType: String
    public let bytes: [UInt8]

    /// The demo page, and the modules that any page may load.
    public static let all: [WebAsset] = [
        WebAsset(path: "/", contentType: "text/html; charset=utf-8", bytes: PackageResources.index_html),
        WebAsset(path: "/demo.js", contentType: "text/javascript; charset=utf-8", bytes: PackageResources.demo_js),
        WebAsset(path: "/bell.js", contentType: "text/javascript; charset=utf-8", bytes: PackageResources.bell_js),
        WebAsset(path: "/bell.d.ts", contentType: "text/plain; charset=utf-8", bytes: PackageResources.bell_d_ts),
        WebAsset(path: "/stomp.js", contentType: "text/javascript; charset=utf-8", bytes: PackageResources.stomp_js),
        WebAsset(path: "/stomp.d.ts", contentType: "text/plain; charset=utf-8", bytes: PackageResources.stomp_d_ts),
        WebAsset(path: "/style.css", contentType: "text/css; charset=utf-8", bytes: PackageResources.style_css),
        WebAsset(path: "/favicon.svg", contentType: "image/svg+xml", bytes: PackageResources.favicon_svg),
    ]

    /// The operators' console.
    public static let console: [WebAsset] = []
}
