import Foundation
import Outbox

/// Jobs as people read them.
enum ReplayJobText {
    private static let barWidth = 30

    /// One line of a list.
    static func line(_ job: ReplayJob) -> String {
        let cells = [
            "\(job.id)", job.state.rawValue, percent(job.progress), counts(job), "\(job.rate)/s", job.createdBy,
            job.criteria,
        ]
        return cells.map(printable).joined(separator: "\t")
    }

    /// All there is to say.
    static func page(_ job: ReplayJob) -> String {
        var lines = [
            "job        \(job.id)", "state      \(job.state.rawValue)\(job.reason.map { ": \($0)" } ?? "")",
            "made       by \(job.createdBy), \(age(job.ageSeconds)) ago", "criteria   \(job.criteria)",
            "rate       \(job.rate) a second", "progress   \(percent(job.progress)) of the log looked at",
            "matched    \(job.matched)", "queued     \(job.queued)", "skipped    \(job.skipped)",
        ]
        if job.held > 0 { lines.append("held       \(job.held) by other transactions; they are tried again") }
        return lines.map(printable).joined(separator: "\n")
    }

    /// A line that follows a job; on a terminal with a bar.
    static func progress(_ job: ReplayJob, withBar: Bool) -> String {
        let text =
            "\(percent(job.progress)), \(counts(job))" + (job.held > 0 ? ", \(job.held) held" : "")
            + (job.state == .running ? "" : ", \(job.state.rawValue)\(job.reason.map { ": \($0)" } ?? "")")
        guard withBar else { return "job \(job.id): \(printable(text))" }
        let filled = min(barWidth, max(0, Int(job.progress * Double(barWidth))))
        let bar = String(repeating: "#", count: filled) + String(repeating: "-", count: barWidth - filled)
        return "job \(job.id) [\(bar)] \(printable(text))"
    }

    static func estimate(_ estimate: ReplayEstimate, rate: Int) -> String {
        let count = estimate.isComplete ? "\(estimate.matched)" : "some \(estimate.estimated)"
        var text =
            "\(count) \(estimate.isComplete && estimate.matched == 1 ? "message" : "messages") would be delivered "
            + "again, at \(rate) a second in \(age(Double(estimate.seconds)))."
        if !estimate.isComplete {
            text +=
                " That is a guess: \(estimate.matched) matched in the part of the log that a look of two seconds saw."
        }
        if !estimate.sample.isEmpty {
            text += "\nThe first: \(estimate.sample.map(\.description).joined(separator: " "))"
        }
        return text
    }

    /// How to stop one that goes on.
    static func hint(_ id: Int64) -> String {
        "Job \(id) goes on by itself: belfry jobs show \(id), belfry jobs pause \(id), belfry jobs cancel \(id)."
    }

    private static func counts(_ job: ReplayJob) -> String {
        "\(job.queued) queued" + (job.skipped > 0 ? ", \(job.skipped) skipped" : "")
    }

    private static func percent(_ part: Double) -> String { "\(Int((min(1, max(0, part)) * 100).rounded(.down)))%" }

    private static func age(_ seconds: Double) -> String {
        let seconds = Int(max(0, seconds).rounded())
        return switch seconds {
        case ..<120: "\(seconds) s"
        case ..<7_200: "\(seconds / 60) min"
        default: "\(seconds / 3_600) h"
        }
    }

    /// Users name receivers and types: what would command the terminal is left out.
    private static func printable(_ text: String) -> String {
        String(
            String.UnicodeScalarView(text.unicodeScalars.map { $0.properties.generalCategory == .control ? "?" : $0 }))
    }
}
