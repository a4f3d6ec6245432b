import Foundation
import Testing

@testable import BelfryBench

@Suite struct PlotBenchTests {
    /// The fixture's picture of this name.
    private func picture(_ name: String) throws -> Picture {
        try Fixture.withFolder { folder in
            let run = try Fixture.run("plot-bench", [Fixture.report.path, folder.path])
            #expect(run.status == 0, "\(run.errors)")
            return try Picture(folder.appendingPathComponent(name))
        }
    }

    /// The picture of one plot with these curves.
    private func picture(of curves: [Curve]) throws -> Picture {
        try Fixture.withFolder { folder in
            let report = folder.appendingPathComponent("report.json")
            try Fixture.write([ScenarioResult("sessions", curves: curves)], to: report)
            let run = try Fixture.run("plot-bench", [report.path, folder.path])
            #expect(run.status == 0, "\(run.errors)")
            return try Picture(folder.appendingPathComponent("some-plot.svg"))
        }
    }

    private func curve(_ name: String, _ x: [Double], _ y: [Double]) -> Curve {
        Curve(plot: "Some plot", name: name, xLabel: "sessions", yLabel: "MB", x: x, y: y)
    }

    @Test func thereIsAPictureOfEachPlotAndAnOverview() throws {
        try Fixture.withFolder { folder in
            let run = try Fixture.run("plot-bench", [Fixture.report.path, folder.path])
            #expect(run.status == 0, "\(run.errors)")
            let files = try FileManager.default.contentsOfDirectory(atPath: folder.path)
            #expect(Set(files) == ["latency.svg", "memory.svg", "cpu-idle.svg", "overview.svg"])
        }
    }

    @Test func aPlotHasTitleLegendLabelsAndALineForEachCurve() throws {
        let picture = try picture("latency.svg")
        let texts = picture.texts()
        #expect(texts.first == "Latency")
        for name in ["belfry p50", "belfry p99", "bare relay p50", "bare relay p99"] {
            #expect(texts.filter { $0 == name }.count == 1, "\(name)")
        }
        #expect(texts.contains("messages a second (logarithmic)"))
        #expect(texts.contains("µs (logarithmic)"))
        #expect(picture.lines.map(\.count) == [5, 5, 5, 5])
        #expect(picture.texts("title").contains("belfry p50: 702 µs at 1,000 messages a second"))
    }

    @Test func contendersDifferInColourAndPercentilesInDash() throws {
        let lines = try picture("latency.svg").elements.filter { $0.name == "polyline" }.map(\.attributes)
        let (colours, dashes) = (lines.map { $0["class"] }, lines.map { $0["stroke-dasharray"] })
        #expect(colours[0] == colours[1] && colours[2] == colours[3] && colours[0] != colours[2])
        #expect(dashes[0] == dashes[2] && dashes[1] == dashes[3] && dashes[0] != dashes[1])
    }

    /// 0.2, 0.3, 0.7 and 1.4 at 1,000, 2,000, 5,000 and 10,000 sessions: less than 20 times on both axes.
    @Test func aShortRangeIsLinear() throws {
        let line = try #require(try picture("cpu-idle.svg").lines.first)
        try #require(line.count == 4)
        #expect(abs((line[3].x - line[0].x) / (line[1].x - line[0].x) - 9) < 0.05)
        #expect(abs((line[0].y - line[3].y) / (line[0].y - line[1].y) - 12) < 0.2)
        #expect(line[3].y < line[0].y, "more is higher up")
    }

    /// 1,000 to 50,000 sessions.
    @Test func aLongRangeIsLogarithmic() throws {
        let line = try #require(try picture("memory.svg").lines.first)
        try #require(line.count == 4)
        let share = (line[1].x - line[0].x) / (line[3].x - line[0].x)
        #expect(abs(share - log(10) / log(50)) < 0.005)
    }

    @Test func everythingStaysWithinTheFrame() throws {
        for name in ["latency.svg", "memory.svg", "cpu-idle.svg"] {
            let picture = try picture(name)
            let frame = try #require(picture.elements.last { $0.name == "svg" }).attributes
            let width = try #require(frame["width"].flatMap(Double.init))
            let height = try #require(frame["height"].flatMap(Double.init))
            for point in picture.lines.joined() {
                #expect((0...width).contains(point.x) && (0...height).contains(point.y), "\(name): \(point)")
            }
        }
    }

    @Test func bothColourSchemesAreServed() throws {
        let style = try #require(try picture("latency.svg").texts("style").first)
        #expect(style.contains("prefers-color-scheme:dark"))
    }

    @Test func namesAreNotMarkup() throws {
        let picture = try picture(of: [curve("<b>Tom & \"Jerry\"</b>", [1, 2], [1, 2])])
        #expect(picture.texts().contains("<b>Tom & \"Jerry\"</b>"))
    }

    @Test(
        arguments: [
            ([], []), ([1_000], [0]), ([1, 2, 3], [0, 0, 0]), ([5, 5], [7, 7]), ([1, 1_000_000], [0.001, 3_000_000]),
        ] as [([Double], [Double])])
    func oddCurvesArePlottedToo(x: [Double], y: [Double]) throws {
        let picture = try picture(of: [curve("belfry", x, y)])
        #expect(picture.lines.map(\.count) == [x.count])
        #expect(picture.lines.joined().allSatisfy { $0.x.isFinite && $0.y.isFinite })
    }

    @Test func aLongLegendTakesMoreRows() throws {
        let picture = try picture(of: (1...9).map { curve("a contender, number \($0)", [1, 2], [1, Double($0)]) })
        let names = picture.elements.filter { $0.text.hasPrefix("a contender") && $0.name == "text" }
        #expect(names.count == 9)
        let places = names.map { ($0.attributes["x"] ?? "") + "," + ($0.attributes["y"] ?? "") }
        #expect(Set(places).count == 9)
        #expect(names.allSatisfy { Double($0.attributes["x"] ?? "").map { $0 < 600 } == true })
    }

    @Test func theOverviewJudgesEveryTarget() throws {
        let picture = try picture("overview.svg")
        let texts = picture.texts()
        #expect(texts.first == "4 of 5 targets reached")
        for sentence in [
            "1.07 × bare relay (≤ 1.2 ×)", "2.27 × bare relay (≤ 2 ×)", "4.14 × bare relay (≥ 3 ×)",
            "nchan was not measured", "8.42 KB (≤ 10.0 KB)", "1.40% (≤ 2.00%)",
        ] {
            #expect(texts.contains(sentence), "\(sentence)")
        }
        #expect(texts.filter { $0 == "✓" }.count == 4)
        #expect(texts.filter { $0 == "✗" }.count == 1)
        let bars = picture.elements.filter { $0.name == "rect" }.compactMap { $0.attributes["class"] }
        #expect(bars.filter { $0 == "good" }.count == 4 && bars.filter { $0 == "bad" }.count == 1)
    }

    @Test func theTablesAreMarkdown() throws {
        let run = try Fixture.run("plot-bench", ["--markdown", Fixture.report.path])
        #expect(run.status == 0, "\(run.errors)")
        let lines = run.output.split(separator: "\n")
        for line in [
            "### latency",
            "| p50 at 1,000/s | 702 µs (690–731) | bare relay | 655 µs (648–671) | 1.07 | ≤ 1.2 × | reached |",
            "| p99 at 1,000/s | 4,100 µs (3,900–4,300) | bare relay | 1,810 µs (1,770–1,900) | 2.27 | ≤ 2 × | "
                + "**missed** |",
            "| deliveries | 51,200/s (50,800–52,500) | nchan | – | – | ≥ 1 × | not judged |",
            "![latency](performance/latency.svg)",
            "- The load generator used 31 % of a core, the node 98 %.",
            "- nchan is not installed: apt-get install &lt;package> \\| libnginx-mod-nchan.",
        ] {
            #expect(lines.contains(Substring(line)), "\(line)")
        }
        let tables = lines.filter { $0.hasPrefix("|") }
        #expect(tables.allSatisfy { $0.filter { $0 == "|" }.count == 8 }, "every row has seven cells")
    }

    @Test(arguments: ["", "[]", "{\"results\": 1}", "{\"results\": [{}]}"])
    func whatIsNoReportIsRefusedInASentence(content: String) throws {
        try Fixture.withFolder { folder in
            let file = folder.appendingPathComponent("broken.json")
            try Data(content.utf8).write(to: file)
            let run = try Fixture.run("plot-bench", [file.path, folder.path])
            #expect(run.status == 1)
            #expect(run.errors.contains("broken.json is not what belfry-bench --json writes"), "\(run.errors)")
        }
    }
}
