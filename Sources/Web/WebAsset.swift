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

    /// The operators' console: a page, and the modules of its own.
    public static let console: [WebAsset] = [
        WebAsset(path: "/console", contentType: "text/html; charset=utf-8", bytes: PackageResources.console_html),
        WebAsset(
            path: "/console/console.css", contentType: "text/css; charset=utf-8", bytes: PackageResources.console_css),
        consoleModule("console", PackageResources.console_js),
        consoleModule("act", PackageResources.console_act_js),
        consoleModule("audit", PackageResources.console_audit_js),
        consoleModule("doctor", PackageResources.console_doctor_js),
        consoleModule("dom", PackageResources.console_dom_js),
        consoleModule("format", PackageResources.console_format_js),
        consoleModule("job-form", PackageResources.console_job_form_js),
        consoleModule("jobs", PackageResources.console_jobs_js),
        consoleModule("json", PackageResources.console_json_js),
        consoleModule("message", PackageResources.console_message_js),
        consoleModule("message-list", PackageResources.console_message_list_js),
        consoleModule("messages", PackageResources.console_messages_js),
        consoleModule("overview", PackageResources.console_overview_js),
        consoleModule("page", PackageResources.console_page_js),
        consoleModule("parked", PackageResources.console_parked_js),
        consoleModule("plot", PackageResources.console_plot_js),
        consoleModule("processes", PackageResources.console_processes_js),
        consoleModule("source", PackageResources.console_source_js),
        consoleModule("table", PackageResources.console_table_js),
        consoleModule("types", PackageResources.console_types_js),
        consoleModule("users", PackageResources.console_users_js),
    ]

    /// A module of the console, which is embedded under a name of one level.
    private static func consoleModule(_ name: String, _ bytes: [UInt8]) -> WebAsset {
        WebAsset(path: "/console/\(name).js", contentType: "text/javascript; charset=utf-8", bytes: bytes)
    }
}
