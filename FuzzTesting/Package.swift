// swift-tools-version: 6.1
// What fuzzers need, and no more. `scripts/fuzz` lays out the folders: those of Sources beside those of this folder.

import PackageDescription

let nioCore: Target.Dependency = .product(name: "NIOCore", package: "swift-nio")
let nioConcurrency: Target.Dependency = .product(name: "NIOConcurrencyHelpers", package: "swift-nio")
let nioEmbedded: Target.Dependency = .product(name: "NIOEmbedded", package: "swift-nio")
let nioWebSocket: Target.Dependency = .product(name: "NIOWebSocket", package: "swift-nio")
let collections: Target.Dependency = .product(name: "DequeModule", package: "swift-collections")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let metrics: Target.Dependency = .product(name: "Metrics", package: "swift-metrics")

/// libFuzzer brings the function `main`.
func fuzzer(_ name: String) -> Target {
    .executableTarget(
        name: name, dependencies: ["FuzzBodies"], swiftSettings: [.unsafeFlags(["-parse-as-library"])])
}

let package = Package(
    name: "fuzz-testing",
    platforms: [.macOS(.v15)],
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
    ],
    targets: [
        .systemLibrary(name: "CLibpq", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),
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
            name: "Node",
            dependencies: [
                "STOMP", "Delivery", "Bus", "MessageTrace", "Outbox", "Postgres", "Authentication", "Commands",
                "BelfryModel", nioCore, nioConcurrency, collections, logging, metrics,
            ]),
        .target(name: "WebSocket", dependencies: ["Node", "STOMP", "BelfryModel", "CZlib", nioCore, nioWebSocket]),
        // Of it what reads and quotes messages.
        .target(name: "SockJS", dependencies: ["BelfryModel", nioCore]),
        .target(
            name: "FuzzBodies",
            dependencies: [
                "SockJS", "WebSocket", "Node", "Commands", "Authentication", "Delivery", "STOMP", "Bus", "Outbox", "Postgres",
                "BelfryModel", nioCore, nioConcurrency, nioEmbedded, logging,
            ]),
        fuzzer("FuzzSTOMP"),
        fuzzer("FuzzWebSocket"),
        fuzzer("FuzzSession"),
        fuzzer("FuzzSockJS"),
    ]
)
