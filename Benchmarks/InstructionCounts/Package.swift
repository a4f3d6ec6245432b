// swift-tools-version: 6.1
// What instruction counts need, and no more: neither HTTP nor TLS nor tokens, so that it builds in about a minute.
// `scripts/instruction-counts` lays out the folders; `RedisBus` is the files named there.

import PackageDescription

let nioCore: Target.Dependency = .product(name: "NIOCore", package: "swift-nio")
let nioConcurrency: Target.Dependency = .product(name: "NIOConcurrencyHelpers", package: "swift-nio")
let nioEmbedded: Target.Dependency = .product(name: "NIOEmbedded", package: "swift-nio")
let nioWebSocket: Target.Dependency = .product(name: "NIOWebSocket", package: "swift-nio")
let collections: Target.Dependency = .product(name: "DequeModule", package: "swift-collections")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let metrics: Target.Dependency = .product(name: "Metrics", package: "swift-metrics")

let package = Package(
    name: "instruction-counts",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "instruction-counts", targets: ["InstructionCounts"])
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
    ],
    targets: [
        .systemLibrary(name: "CLibpq", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),
        .systemLibrary(name: "CHiredis", pkgConfig: "hiredis", providers: [.apt(["libhiredis-dev"])]),
        .systemLibrary(name: "CZlib", providers: [.apt(["zlib1g-dev"])]),
        .target(name: "BelfryModel"),
        .target(name: "STOMP", dependencies: ["BelfryModel", nioCore, collections]),
        .target(name: "Delivery", dependencies: ["BelfryModel", nioCore, collections]),
        .target(name: "Bus", dependencies: ["BelfryModel", nioCore]),
        .target(name: "Postgres", dependencies: ["CLibpq"]),
        .target(
            name: "Outbox", dependencies: ["Postgres", "BelfryModel", logging],
            resources: [.embedInCode("Migrations")]),
        .target(name: "MessageTrace", dependencies: ["Outbox", "Postgres", "BelfryModel", logging, metrics]),
        .target(name: "Authentication"),
        .target(name: "Commands", dependencies: ["Authentication", "Outbox", "Postgres", "BelfryModel", nioCore]),
        .target(
            name: "PrometheusMetrics", dependencies: [.product(name: "CoreMetrics", package: "swift-metrics")]),
        .target(name: "Counting", dependencies: ["Bus", "BelfryModel", nioCore]),
        .target(name: "RedisBus", dependencies: ["Counting", "Bus", "CHiredis", "BelfryModel", nioCore]),
        .target(
            name: "Node",
            dependencies: [
                "Counting", "STOMP", "Delivery", "Bus", "MessageTrace", "Outbox", "Postgres", "Authentication",
                "Commands",
                "BelfryModel", nioCore, nioConcurrency, collections, logging, metrics,
            ]),
        .target(name: "WebSocket", dependencies: ["Node", "STOMP", "BelfryModel", "CZlib", nioCore, nioWebSocket]),
        .target(
            name: "NodeCases",
            dependencies: ["Counting", "Node", "WebSocket", "BelfryModel", nioCore, nioConcurrency, nioEmbedded]),
        .executableTarget(
            name: "InstructionCounts",
            dependencies: [
                "Counting", "STOMP", "Delivery", "Bus", "RedisBus", "NodeCases", "PrometheusMetrics", "BelfryModel",
                nioCore, metrics,
            ]),
    ]
)
