// swift-tools-version: 6.1
// The folder shows the architecture: ARCHITECTURE.md says what each target is for and what it may import, and
// `Tests/ArchitectureTests` checks that.

import PackageDescription

let nioCore: Target.Dependency = .product(name: "NIOCore", package: "swift-nio")
let nioPosix: Target.Dependency = .product(name: "NIOPosix", package: "swift-nio")
let nioEmbedded: Target.Dependency = .product(name: "NIOEmbedded", package: "swift-nio")
let nioConcurrency: Target.Dependency = .product(name: "NIOConcurrencyHelpers", package: "swift-nio")
let nioHTTP1: Target.Dependency = .product(name: "NIOHTTP1", package: "swift-nio")
let nioWebSocket: Target.Dependency = .product(name: "NIOWebSocket", package: "swift-nio")
let nioSSL: Target.Dependency = .product(name: "NIOSSL", package: "swift-nio-ssl")
let nioTLS: Target.Dependency = .product(name: "NIOTLS", package: "swift-nio")
let collections: Target.Dependency = .product(name: "DequeModule", package: "swift-collections")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let metrics: Target.Dependency = .product(name: "Metrics", package: "swift-metrics")
let lifecycle: Target.Dependency = .product(name: "ServiceLifecycle", package: "swift-service-lifecycle")

let package = Package(
    name: "belfry",
    // The client library is for iOS too; all else is built on macOS and Linux only.
    platforms: [.macOS(.v15), .iOS(.v18)],
    products: [
        .library(name: "BelfryClient", targets: ["BelfryClient"]),
        .executable(name: "belfry", targets: ["belfry"]),
        .executable(name: "belfry-bench", targets: ["BelfryBench"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.0"),
        .package(url: "https://github.com/apple/swift-nio-extras", from: "1.35.0"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-distributed-tracing", from: "1.7.3"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-configuration", from: "1.4.0", traits: ["JSON", "YAML"]),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.0"),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.0"),
        .package(url: "https://github.com/vapor/jwt-kit", from: "5.7.0"),
    ],
    targets: [
        .systemLibrary(name: "CLibpq", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),
        .systemLibrary(name: "CHiredis", pkgConfig: "hiredis", providers: [.apt(["libhiredis-dev"])]),
        .systemLibrary(name: "CZlib", providers: [.apt(["zlib1g-dev"])]),

        .target(name: "BelfryModel"),
        .target(name: "STOMP", dependencies: ["BelfryModel", nioCore]),
        .target(
            name: "BelfryClient",
            dependencies: [
                "STOMP", "BelfryModel", nioCore, nioPosix, nioHTTP1, nioWebSocket, nioSSL, collections, logging,
            ]),
        .target(name: "Delivery", dependencies: ["BelfryModel", nioCore, collections]),
        .target(name: "Postgres", dependencies: ["CLibpq"]),
        .target(
            name: "Outbox", dependencies: ["Postgres", "BelfryModel", logging],
            resources: [.embedInCode("Migrations")]),
        .target(name: "MessageTrace", dependencies: ["Outbox", "Postgres", "BelfryModel", logging, metrics]),
        .target(name: "Bus", dependencies: ["BelfryModel", nioCore]),
        .target(
            name: "RedisBus",
            dependencies: ["Bus", "CHiredis", "BelfryModel", nioCore, nioPosix, nioSSL, collections, logging]),
        .target(
            name: "Relay",
            dependencies: [
                "Webhooks", "MessageTrace", "Outbox", "Bus", "Postgres", "BelfryModel", nioCore, logging, metrics,
                lifecycle,
            ]),
        .target(
            name: "OutgoingHTTP",
            dependencies: [nioCore, nioHTTP1, .product(name: "AsyncHTTPClient", package: "async-http-client")]),
        .target(
            name: "Webhooks",
            dependencies: [
                "OutgoingHTTP", "BelfryModel", nioCore, nioPosix, .product(name: "Crypto", package: "swift-crypto"),
            ]),
        .target(
            name: "OTLPTracing",
            dependencies: [
                "MessageTrace", "OutgoingHTTP", "BelfryModel", nioCore, logging, metrics,
                .product(name: "Tracing", package: "swift-distributed-tracing"),
            ]),
        .target(name: "Authentication"),
        .target(
            name: "JWTAuthentication",
            dependencies: [
                "Authentication", "OutgoingHTTP", logging, metrics, .product(name: "JWTKit", package: "jwt-kit"),
            ]),
        .target(
            name: "PasswordAuthentication",
            dependencies: [
                "Authentication", collections, logging, .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "CryptoExtras", package: "swift-crypto"),
            ]),
        .target(
            name: "HTTPAuthentication",
            dependencies: [
                "Authentication", "OutgoingHTTP", nioCore, logging, metrics,
                .product(name: "Crypto", package: "swift-crypto"),
            ]),
        .target(name: "Commands", dependencies: ["Authentication", "Outbox", "Postgres", "BelfryModel", nioCore]),
        .target(
            name: "Node",
            dependencies: [
                "STOMP", "Delivery", "Bus", "MessageTrace", "Outbox", "Postgres", "Authentication", "Commands",
                "BelfryModel", nioCore, nioConcurrency, collections, logging, metrics,
            ]),
        .target(
            name: "Listening",
            dependencies: [
                "BelfryModel", nioCore, nioPosix, nioSSL, nioTLS, nioConcurrency, logging, metrics, lifecycle,
                .product(name: "NIOExtras", package: "swift-nio-extras"),
            ]),
        .target(name: "TCPTransport", dependencies: ["Node", "BelfryModel", nioCore]),
        .target(name: "WebSocket", dependencies: ["Node", "STOMP", "BelfryModel", "CZlib", nioCore, nioWebSocket]),
        .target(name: "Web", resources: [.embedInCode("Pages")]),
        .target(
            name: "HTTPServer",
            dependencies: [
                "WebSocket", "Node", "Listening", "Commands", "Web", "BelfryModel", nioCore, nioHTTP1, nioWebSocket,
                nioConcurrency, collections, logging, lifecycle,
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HummingbirdCore", package: "hummingbird"),
                .product(name: "NIOHTTPTypes", package: "swift-nio-extras"),
                .product(name: "NIOHTTPTypesHTTP1", package: "swift-nio-extras"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
            ]),
        .target(
            name: "SockJS",
            dependencies: [
                "HTTPServer", "Listening", "WebSocket", "Node", "BelfryModel", nioCore, nioConcurrency, nioHTTP1,
                collections,
            ]),
        .target(
            name: "HTTPAPI",
            dependencies: [
                "HTTPServer", "Listening", "Commands", "Authentication", "Outbox", "BelfryModel", nioCore,
                nioConcurrency, logging, metrics,
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Crypto", package: "swift-crypto"),
            ],
            resources: [.embedInCode("Description/openapi.json")]),
        .target(
            name: "Gateway",
            dependencies: [
                "HTTPAPI", "SockJS", "HTTPServer", "Listening", "WebSocket", "TCPTransport", "Node", "Commands",
                "Authentication",
                "STOMP", "Bus", "MessageTrace", "Outbox", "Postgres",
                "BelfryModel",
                nioCore, nioConcurrency, nioHTTP1, logging, lifecycle,
            ]),
        .target(
            name: "PrometheusMetrics", dependencies: [.product(name: "CoreMetrics", package: "swift-metrics")]),
        .target(name: "PrivateServers"),
        .target(
            name: "BelfryCommands",
            dependencies: [
                "BelfryModel", "Postgres", "Outbox", "Bus", "RedisBus", "Relay", "Gateway", "HTTPServer",
                "Listening", "Authentication", "JWTAuthentication", "PasswordAuthentication", "HTTPAuthentication",
                "OutgoingHTTP", "Webhooks", "OTLPTracing", "MessageTrace",
                "Commands", "PrometheusMetrics", "PrivateServers", "BelfryClient",
                "WebSocket", nioCore,
                nioPosix,
                logging, metrics, lifecycle,
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Configuration", package: "swift-configuration"),
                .product(name: "JWTKit", package: "jwt-kit"),
            ]),
        .executableTarget(name: "belfry", dependencies: ["BelfryCommands"]),

        // The benchmark, which nothing above may import. In this package, as a build of it after `belfry` then compiles
        // two modules; one of its own would build swift-nio, swift-collections and swift-argument-parser once more.
        .systemLibrary(name: "CLinux", path: "Benchmarks/CLinux"),
        .target(name: "Floors", dependencies: ["CLibpq", "CHiredis", nioCore, nioPosix], path: "Benchmarks/Floors"),
        .executableTarget(
            name: "BelfryBench",
            dependencies: [
                "Floors", "PrivateServers", "Bus", "BelfryModel", "CLibpq", "CLinux", nioCore,
                nioPosix, nioSSL,
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            path: "Benchmarks/BelfryBench"),

        .target(name: "TestBasics", path: "Tests/TestBasics"),
        .target(
            name: "DatabaseSupport", dependencies: ["TestBasics", "Outbox", "Postgres", "PrivateServers"],
            path: "Tests/DatabaseSupport"),
        .target(name: "PoolerSupport", path: "Tests/PoolerSupport"),
        .target(
            name: "TestSupport",
            dependencies: [
                "TestBasics", "DatabaseSupport", "BelfryClient",
                "BelfryModel", "STOMP", "Postgres", "Outbox", "Bus", "RedisBus", "Relay", "Gateway", "HTTPServer",
                "Listening", "Authentication", "WebSocket", "MessageTrace",
                "PrivateServers", nioCore, nioPosix, nioHTTP1, nioWebSocket, nioSSL, logging, lifecycle,
            ],
            path: "Tests/TestSupport"),
        .target(
            name: "BusConformance", dependencies: ["Bus", "BelfryModel", nioCore, nioPosix],
            path: "Tests/BusConformance"),
        .target(
            name: "HTTPPeer", dependencies: [nioCore, nioPosix, nioHTTP1, nioConcurrency], path: "Tests/HTTPPeer"),
        // What the protocol's own suite is run against: scripts/sockjs-protocol.
        .executableTarget(
            name: "SockJSTestServer",
            dependencies: [
                "SockJS", "HTTPServer", "Listening", "WebSocket", "Node", "BelfryModel", nioCore, nioPosix, logging,
                .product(name: "Hummingbird", package: "hummingbird"),
            ],
            path: "Tests/SockJSTestServer"),
        .target(name: "WebSocketSupport", dependencies: [nioWebSocket], path: "Tests/WebSocketSupport"),
        .executableTarget(
            name: "WebSocketEcho",
            dependencies: ["WebSocket", "HTTPServer", "Listening", "BelfryModel", nioCore, nioPosix, logging],
            path: "Tests/WebSocketEcho"),
        .testTarget(name: "ArchitectureTests"),
        .testTarget(name: "BelfryModelTests", dependencies: ["BelfryModel", "TestBasics"]),
        .testTarget(name: "STOMPTests", dependencies: ["STOMP", "BelfryModel", "TestBasics", nioCore]),
        .testTarget(
            name: "BelfryClientTests",
            dependencies: [
                "BelfryClient", "TestSupport", "TestBasics", "WebSocket", "Listening", "Authentication", "STOMP",
                "BelfryModel", nioCore, nioConcurrency, nioEmbedded, nioWebSocket, nioSSL,
            ]),
        .testTarget(
            name: "DeliveryTests",
            dependencies: ["Delivery", "BelfryModel", "TestBasics", nioCore, nioConcurrency]),
        .testTarget(name: "BelfryBenchTests", dependencies: ["BelfryBench", "Outbox"], exclude: ["Fixtures"]),
        .testTarget(name: "PrivateServersTests", dependencies: ["PrivateServers"]),
        .testTarget(
            name: "PostgresTests",
            dependencies: ["TestBasics", "Postgres", "PrivateServers", "PoolerSupport", "CLibpq"]),
        .testTarget(
            name: "DatabaseTests",
            dependencies: ["TestBasics", "DatabaseSupport", "Postgres", "PrivateServers", "Outbox", "BelfryModel"]),
        .testTarget(
            name: "OutboxTests",
            dependencies: [
                "TestBasics", "DatabaseSupport", "Outbox", "Postgres", "PrivateServers", "BelfryModel", logging,
            ]),
        .testTarget(name: "BusTests", dependencies: ["Bus", "BusConformance", "BelfryModel", nioCore, nioPosix]),
        .testTarget(
            name: "RedisBusTests",
            dependencies: [
                "RedisBus", "Bus", "BusConformance", "BelfryModel", "PrivateServers", nioCore, nioPosix, nioEmbedded,
                logging,
            ]),
        .testTarget(
            name: "RelayTests",
            dependencies: [
                "TestBasics", "DatabaseSupport", "PoolerSupport",
                "Relay", "MessageTrace", "Outbox", "Postgres", "Bus", "BelfryModel", "PrivateServers", "HTTPPeer",
                nioCore, nioPosix, logging, lifecycle,
            ]),
        .testTarget(name: "MessageTraceTests", dependencies: ["MessageTrace", "BelfryModel"]),
        .testTarget(
            name: "OTLPTracingTests",
            dependencies: [
                "OTLPTracing", "MessageTrace", "OutgoingHTTP", "HTTPPeer", "TestBasics", "BelfryModel", nioCore,
                nioPosix,
                logging,
                .product(name: "Tracing", package: "swift-distributed-tracing"),
            ]),
        .testTarget(
            name: "WebhooksTests", dependencies: ["Webhooks", "HTTPPeer", "BelfryModel", "TestBasics", nioCore]),
        .testTarget(name: "OutgoingHTTPTests", dependencies: ["OutgoingHTTP", "HTTPPeer", nioCore, nioPosix]),
        .testTarget(
            name: "AuthenticationTests",
            dependencies: [
                "Authentication", "JWTAuthentication", "PasswordAuthentication", "HTTPAuthentication", "OutgoingHTTP",
                "HTTPPeer", "TestBasics", nioCore, nioPosix, logging, .product(name: "JWTKit", package: "jwt-kit"),
            ]),
        .testTarget(
            name: "CommandsTests", dependencies: ["Commands", "Authentication", "Outbox", "BelfryModel", nioCore]),
        .testTarget(
            name: "NodeTests",
            dependencies: [
                "DatabaseSupport", "Node", "WebSocket", "Delivery", "STOMP", "Bus", "MessageTrace", "Outbox",
                "Postgres",
                "Authentication", "Commands",
                "BelfryModel", "PrivateServers", "TestBasics", "WebSocketSupport", nioCore, nioPosix, nioEmbedded,
                nioWebSocket,
                nioConcurrency, logging,
            ]),
        .testTarget(
            name: "WebSocketTests",
            dependencies: [
                "WebSocket", "WebSocketSupport", "BelfryModel", "TestBasics", nioCore, nioEmbedded, nioWebSocket,
            ]),
        // The package in that folder builds the same bodies for libFuzzer.
        .testTarget(
            name: "FuzzTests",
            dependencies: [
                "SockJS", "WebSocket", "Node", "Commands", "Authentication", "Delivery", "STOMP", "Bus", "Outbox",
                "Postgres",
                "BelfryModel", nioCore, nioConcurrency, nioEmbedded, logging,
            ],
            path: "FuzzTesting", exclude: ["Package.swift", "Programs", "Corpus", "FailCases"],
            sources: ["Bodies", "Replay"]),
        .testTarget(
            name: "SockJSTests",
            dependencies: [
                "SockJS", "HTTPServer", "Listening", "WebSocket", "WebSocketSupport", "Node", "BelfryModel",
                "TestBasics", nioCore, nioEmbedded, nioHTTP1, nioWebSocket,
            ]),
        .testTarget(
            name: "HTTPServerTests",
            dependencies: [
                "HTTPServer", "Listening", "Node", "WebSocketSupport", "BelfryModel", logging, nioCore, nioEmbedded,
                nioHTTP1, nioWebSocket,
            ]),
        .testTarget(
            name: "HTTPAPITests",
            dependencies: [
                "HTTPAPI", "HTTPServer", "Authentication", "Commands", "Outbox", "Postgres", "BelfryModel", nioCore,
                logging, .product(name: "Hummingbird", package: "hummingbird"),
            ]),
        .testTarget(
            name: "ListeningTests",
            dependencies: [
                "Listening", "BelfryModel", "TestBasics", nioCore, nioPosix, nioEmbedded, nioSSL, logging, lifecycle,
            ]),
        .testTarget(
            name: "PrometheusMetricsTests",
            dependencies: ["PrometheusMetrics", .product(name: "CoreMetrics", package: "swift-metrics")]),
        .testTarget(
            name: "BelfryCommandsTests",
            dependencies: [
                "TestBasics", "DatabaseSupport", "PoolerSupport", "HTTPPeer", "BelfryCommands", "BelfryClient",
                "Authentication",
                "JWTAuthentication", "Outbox", "RedisBus", "Postgres", "PrivateServers", "BelfryModel", nioPosix,
                logging,
            ]),
        .testTarget(
            name: "EndToEndTests",
            dependencies: [
                "TestBasics", "TestSupport", "DatabaseSupport", "BelfryClient", "BelfryModel", "STOMP", "Postgres",
                "Outbox", "Bus", "RedisBus", "MessageTrace",
                "Relay", "Gateway", "HTTPServer", "Listening", "WebSocket", "Authentication", "PrivateServers", nioCore,
                nioPosix, nioSSL, logging,
            ]),
    ]
)
