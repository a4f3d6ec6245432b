import Postgres
import Testing

/// What each keyword of a schema lets through and what it says otherwise.
@Suite struct SchemaKeywordTests {
    /// Data against a schema; no rule means that it matches.
    struct Case: Sendable, CustomTestStringConvertible {
        let schema: String
        let data: String
        var path: String?
        var rule: String?

        init(_ schema: String, _ data: String, _ path: String? = nil, _ rule: String? = nil) {
            (self.schema, self.data, self.path, self.rule) = (schema, data, path, rule)
        }

        var testDescription: String { "\(data) against \(schema)" }
    }

    static let types = [
        Case(#"{"type": "null"}"#, "null"),
        Case(#"{"type": "boolean"}"#, "true"),
        Case(#"{"type": "boolean"}"#, "0", "data", "must be of type boolean, but is the number 0"),
        Case(#"{"type": "object"}"#, "{}"),
        Case(#"{"type": "object"}"#, "null", "data", "must be of type object, but is null"),
        Case(#"{"type": "array"}"#, "[]"),
        Case(#"{"type": "number"}"#, "1.5"),
        Case(#"{"type": "integer"}"#, "1"),
        Case(#"{"type": "integer"}"#, "1.0"),
        Case(#"{"type": "integer"}"#, "1e3"),
        Case(#"{"type": "integer"}"#, "1.5", "data", "must be of type integer, but is the number 1.5"),
        Case(#"{"type": "integer"}"#, #""1""#, "data", "must be of type integer, but is a string"),
        Case(#"{"type": ["string", "null"]}"#, "null"),
        Case(#"{"type": ["string", "integer"]}"#, "2"),
        Case(#"{"type": ["string", "null"]}"#, "false", "data", "must be of type string or null, but is false"),
        Case("true", #"{"anything": [1]}"#),
        Case("{}", #"{"anything": [1]}"#),
        Case("false", "1", "data", "is not allowed"),
    ]

    static let objects = [
        Case(#"{"required": ["a", "b"]}"#, #"{"a": null, "b": 1}"#),
        Case(#"{"required": ["a", "b"]}"#, #"{"a": 1}"#, "data.b", "is required, but missing"),
        Case(#"{"required": ["a b"]}"#, "{}", #"data["a b"]"#, "is required, but missing"),
        Case(#"{"required": ["a"]}"#, "[]"),
        Case(#"{"properties": {"a": {"type": "string"}}}"#, #"{"b": 1}"#),
        Case(
            #"{"properties": {"a": {"type": "string"}}}"#, #"{"a": 1}"#, "data.a",
            "must be of type string, but is the number 1"),
        Case(#"{"properties": {"a": false}}"#, "{}"),
        Case(
            #"{"properties": {"a": false}}"#, #"{"a": 1}"#, "data.a",
            "is not among the properties that the schema allows"),
        Case(
            #"{"properties": {"a": {}}, "additionalProperties": false}"#, #"{"a": 1, "ü": 1}"#, #"data["ü"]"#,
            "is not among the properties that the schema allows"),
        Case(
            #"{"properties": {"a": {}}, "additionalProperties": {"type": "number"}}"#, #"{"a": "x", "b": "y"}"#,
            "data.b", "must be of type number, but is a string"),
        Case(#"{"additionalProperties": true}"#, #"{"a": 1}"#),
        Case(#"{"additionalProperties": false}"#, "{}"),
    ]

    static let arrays = [
        Case(#"{"items": {"type": "number"}}"#, "[1, 2.5]"),
        Case(#"{"items": {"type": "number"}}"#, #""not an array""#),
        Case(#"{"items": {"type": "number"}}"#, #"[1, "2"]"#, "data[1]", "must be of type number, but is a string"),
        Case(#"{"items": false}"#, "[]"),
        Case(#"{"items": false}"#, "[0]", "data[0]", "is not allowed"),
        Case(#"{"minItems": 1, "maxItems": 2}"#, "[1]"),
        Case(#"{"minItems": 1}"#, "[]", "data", "must have at least 1 items, but has 0"),
        Case(#"{"maxItems": 2}"#, "[1, 2, 3]", "data", "must have at most 2 items, but has 3"),
        Case(
            #"{"properties": {"a": {"items": {"items": {"properties": {"b c": {"type": "null"}}}}}}}"#,
            #"{"a": [[], [{}, {"b c": 1}]]}"#, #"data.a[1][1]["b c"]"#, "must be of type null, but is the number 1"),
    ]

    static let scalars = [
        Case(#"{"minimum": 1, "maximum": 3}"#, "1"),
        Case(#"{"minimum": 1}"#, "0.5", "data", "must be at least 1, but is 0.5"),
        Case(#"{"minimum": 1}"#, #""0""#),
        Case(#"{"maximum": 3}"#, "3.0"),
        Case(#"{"maximum": 3}"#, "1e9", "data", "must be at most 3, but is 1000000000"),
        Case(#"{"exclusiveMinimum": 1}"#, "1", "data", "must be more than 1, but is 1"),
        Case(#"{"exclusiveMaximum": 3}"#, "3.0", "data", "must be less than 3, but is 3.0"),
        Case(#"{"minLength": 2, "maxLength": 2}"#, #""😀é""#),
        Case(#"{"minLength": 2}"#, #""😀""#, "data", "must have at least 2 characters, but has 1"),
        Case(#"{"maxLength": 2}"#, #""abc""#, "data", "must have at most 2 characters, but has 3"),
        Case(#"{"maxLength": 2}"#, "12345"),
        Case(#"{"pattern": "b.d"}"#, #""abcde""#),
        Case(#"{"pattern": "^b.d$"}"#, #""abcde""#, "data", "must match the pattern \"^b.d$\""),
        Case(#"{"pattern": "^b.d$"}"#, "7"),
    ]

    static let choices = [
        Case(#"{"enum": ["a", 1, null, [1, {"x": 2}]]}"#, "1.0"),
        Case(#"{"enum": ["a", 1, null, [1, {"x": 2}]]}"#, #"[1, {"x": 2.0}]"#),
        Case(#"{"enum": [[1, 2]]}"#, "[1]", "data", "must be one of [[1, 2]], but is an array"),
        Case(
            #"{"enum": [{"a": 1, "b": 2}]}"#, #"{"a": 1}"#, "data",
            "must be one of [{\"a\": 1, \"b\": 2}], but is an object"),
        Case(#"{"enum": ["a", "b"]}"#, #""secret""#, "data", "must be one of [\"a\", \"b\"], but is another string"),
        Case(#"{"enum": [1]}"#, "true", "data", "must be one of [1], but is true"),
        Case(#"{"const": {"a": [1, 2]}}"#, #"{"a": [1.0, 2]}"#),
        Case(#"{"const": "x"}"#, #""y""#, "data", "must be \"x\""),
        Case(#"{"const": null}"#, "false", "data", "must be null"),
        Case(#"{"allOf": [{"minimum": 1}, {"maximum": 3}]}"#, "2"),
        Case(#"{"allOf": [{"minimum": 1}, {"maximum": 3}]}"#, "4", "data", "must be at most 3, but is 4"),
        Case(#"{"anyOf": [{"type": "string"}, {"minimum": 3}]}"#, "4"),
        Case(
            #"{"anyOf": [{"type": "string"}, {"properties": {"a": {"const": 1}}}]}"#, #"{"a": 2}"#, "data",
            "must match at least one schema of anyOf, but: (1) it must be of type string, but is an object "
                + "(2) it.a must be 1"),
        Case(#"{"oneOf": [{"type": "string"}, {"minimum": 3}]}"#, "3"),
        Case(
            #"{"oneOf": [{"type": "string"}, {"minimum": 3}]}"#, "2", "data",
            "must match one schema of oneOf, but: (1) it must be of type string, but is the number 2 "
                + "(2) it must be at least 3, but is 2"),
        Case(
            #"{"oneOf": [{"maximum": 5}, {"minimum": 3}]}"#, "4", "data",
            "must match exactly one schema of oneOf, but matches more than one"),
        Case(#"{"title": "t", "description": "d", "$schema": "s", "examples": [1], "default": 1}"#, #""x""#),
    ]

    @Test(arguments: types + objects + arrays + scalars + choices)
    func dataIsHeldAgainstTheSchema(example: Case) async throws {
        let database = try await SchemaDatabase.shared()
        let problem = try await database.query(
            "select path, rule, belfry.schema_problem($1::jsonb) from belfry.data_problem($1::jsonb, $2::jsonb)",
            .text(example.schema), .text(example.data))
        #expect(problem == [[example.path, example.rule, nil]])
    }

    @Test func largeDataAndCompressedSchemasAreNoProblem() async throws {
        let database = try await SchemaDatabase()
        // Over 2 kB the schema is stored compressed.
        try await database.query(
            """
            select belfry.register_type('LARGE', jsonb_build_object('items', jsonb_build_object('type', 'integer'),
                'properties', (select jsonb_object_agg('property' || i, '{"type": "string"}'::jsonb)
                    from generate_series(1, 500) i)))
            """)
        let sql = """
            select belfry.notify('alice', 'LARGE', (select jsonb_agg(case i when 9999 then $1::jsonb else '1' end)
                from generate_series(0, 9999) i))
            """
        try await database.query(sql, .text("1"))
        let error = try await database.refusal(sql, .text("{}"))
        #expect(error.detail == "data[9999]: must be of type integer, but is an object")
    }

    @Test func theDeepestSchemaIsEnteredToItsEnd() async throws {
        let database = try await SchemaDatabase()
        let deepest = String(repeating: #"{"properties": {"a": "#, count: 63)
        let schema = deepest + #"{"type": "integer"}"# + String(repeating: "}}", count: 63)
        let data = String(repeating: #"{"a": "#, count: 63) + #""x""# + String(repeating: "}", count: 63)
        try await database.query("select belfry.register_type('DEEP', $1::jsonb)", .text(schema))
        let error = try await database.refusal("select belfry.notify('alice', 'DEEP', $1::jsonb)", .text(data))
        let path = "data" + String(repeating: ".a", count: 63)
        #expect(error.detail == "\(path): must be of type integer, but is a string")

        let tooDeep = try await database.refusal(
            "select belfry.register_type('DEEPER', $1::jsonb)", .text("{\"items\": \(schema)}"))
        #expect(tooDeep.message.contains("is nested more than 64 schemas deep."))
    }
}
