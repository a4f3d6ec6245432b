/// One step of the schema: `migrations/NNNNNN_verb_noun.sql`.
public struct Migration: Hashable, Sendable {
    /// The number in the file's name, from 1.
    public let version: Int
    /// `verb_noun`.
    public let name: String
    public let sql: String

    public init(version: Int, name: String, sql: String) {
        self.version = version
        self.name = name
        self.sql = sql
    }

    /// The name of its file.
    public var fileName: String {
        let digits = String(version)
        return String(repeating: "0", count: max(0, 6 - digits.count)) + digits + "_" + name + ".sql"
    }
}

extension Migration {
    /// The migrations of this binary, in order. Their texts are embedded from the folder `migrations`; the compiler
    /// does not list what it embeds, so each has its line here, and a test compares the lines with the folder.
    public static let all: [Migration] = [
        ("create_schema", PackageResources._00001_create_schema_sql),
        ("create_schema_check", PackageResources._00002_create_schema_check_sql),
        ("create_writer_functions", PackageResources._00003_create_writer_functions_sql),
        ("create_wire_form", PackageResources._00004_create_wire_form_sql),
        ("create_operator_functions", PackageResources._00005_create_operator_functions_sql),
        ("grant_roles", PackageResources._00006_grant_roles_sql),
        ("create_installation", PackageResources._00007_create_installation_sql),
        ("change_operator_functions", PackageResources._00008_change_operator_functions_sql),
        ("describe_columns", PackageResources._00009_describe_columns_sql),
        ("reword_refusals", PackageResources._00010_reword_refusals_sql),
        ("create_presence", PackageResources._00011_create_presence_sql),
        ("create_inbox", PackageResources._00012_create_inbox_sql),
        ("register_notice", PackageResources._00013_register_notice_sql),
        ("extend_presence", PackageResources._00014_extend_presence_sql),
        ("create_replay_jobs", PackageResources._00015_create_replay_jobs_sql),
        ("create_retention", PackageResources._00016_create_retention_sql),
        ("let_operators_trace", PackageResources._00017_let_operators_trace_sql),
        ("create_console", PackageResources._00018_create_console_sql),
        ("say_who_releases", PackageResources._00019_say_who_releases_sql),
        ("create_escalation", PackageResources._00020_create_escalation_sql),
        ("create_hops", PackageResources._00021_create_hops_sql),
    ].enumerated().map { index, file in
        Migration(version: index + 1, name: file.0, sql: String(decoding: file.1, as: UTF8.self))
    }
}
