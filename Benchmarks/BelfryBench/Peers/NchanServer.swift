import Foundation
import Glibc
import PrivateServers

/// nginx with the module nchan, in memory: a private one on a free loopback port.
final class NchanServer: Sendable {
    /// What to install to have it, for a note.
    static let packages = "nginx-light and libnginx-mod-nchan"

    let port: Int
    private let program: PrivateProgram

    private init(port: Int, program: PrivateProgram) {
        self.port = port
        self.program = program
    }

    /// Whether it is installed.
    static var isInstalled: Bool { PrivateProgram.find("nginx") != nil && module != nil }

    private static var module: String? {
        ["/usr/lib/nginx/modules", "/usr/lib64/nginx/modules", "/usr/share/nginx/modules"]
            .map { "\($0)/ngx_nchan_module.so" }.first { access($0, R_OK) == 0 }
    }

    /// Starts nginx with that many workers.
    ///
    /// - Parameter pingSeconds: the period of its WebSocket pings; 0 for none.
    static func start(
        _ context: ScenarioContext, workers: Int = 1, pingSeconds: Int = 0, name: String = "nchan"
    ) async throws -> NchanServer {
        guard let nginx = PrivateProgram.find("nginx"), let module else {
            throw BenchmarkError("nchan is not installed: install the packages \(packages).")
        }
        let folder = context.folder.appendingPathComponent(name)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let port = try PrivateProgram.freePort()
        let path = folder.appendingPathComponent("nginx.conf").path
        let text = configuration(
            port: port, module: module, workers: workers, pingSeconds: pingSeconds, folder: folder.path)
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        let program = try await PrivateProgram.start(
            name: "nginx", arguments: [nginx, "-p", folder.path, "-c", path, "-e", "stderr"], dataDirectory: folder
        ) {
            LoopbackHTTP.status(port: port, path: "/ready") == 200
        }
        return NchanServer(port: port, program: program)
    }

    private static func configuration(
        port: Int, module: String, workers: Int, pingSeconds: Int, folder: String
    ) -> String {
        let user = getuid() == 0 ? "user root;" : ""
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map { "    \($0)_temp_path \(folder)/temporary;" }.joined(separator: "\n")
        let ping = pingSeconds > 0 ? "nchan_websocket_ping_interval \(pingSeconds);" : ""
        return """
            load_module \(module);
            \(user)
            daemon off;
            worker_processes \(workers);
            worker_rlimit_nofile 20000;
            pid \(folder)/nginx.pid;
            events { worker_connections 19900; }
            http {
                access_log off;
                keepalive_requests 1000000000;
                tcp_nodelay on;
                nchan_shared_memory_size 512m;
            \(temporary)
                server {
                    listen 127.0.0.1:\(port) backlog=4096;
                    location = /ready { return 200; }
                    location ~ ^/sub/(.+)$ {
                        nchan_subscriber websocket;
                        nchan_channel_id $1;
                        nchan_subscriber_first_message newest;
                        \(ping)
                    }
                    location ~ ^/pub/(.+)$ {
                        nchan_publisher http;
                        nchan_message_buffer_length 1000;
                        nchan_channel_id $1;
                    }
                }
            }

            """
    }

    /// Processor time and memory of the master and its workers; nil when it has ended.
    var usage: ServerUsage? {
        let master = program.processIdentifier
        let children = (try? String(contentsOfFile: "/proc/\(master)/task/\(master)/children", encoding: .utf8)) ?? ""
        return ServerUsage(of: [master] + children.split(separator: " ").compactMap { Int32($0) })
    }

    /// The end of its log, for an error message.
    var logTail: String { program.logTail }

    /// Ends it in good order.
    func stop() async { await program.stop() }
}
