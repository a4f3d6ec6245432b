import Postgres
import Testing

/// Which types and schemas `belfry.register_type` takes, and what it says to the others.
@Suite struct TypeRegistrationTests {
    private static let supported =
        "is not supported; supported are type, required, properties, additionalProperties, items, enum, const, "
        + "minimum, maximum, exclusiveMinimum, exclusiveMaximum, minLength, maxLength, minItems, maxItems, pattern, "
        + "oneOf, anyOf, allOf, and the annotations title, description, $schema, examples, default."

    /// Schemas with what is wrong in them.
    static let problems: [(schema: String, problem: String)] = [
        ("3", "schema must be an object, true or false, but is the number 3."),
        (#"{"format": "email"}"#, "The keyword \"format\" at schema \(supported)"),
        (
            #"{"properties": {"order": {"items": {"oneOf": [{}, {"$ref": "/x"}]}}}}"#,
            "The keyword \"$ref\" at schema.properties.order.items.oneOf[1] \(supported)"
        ),
        (
            #"{"properties": {"a b": {"additionalProperties": {"uniqueItems": true}}}}"#,
            "The keyword \"uniqueItems\" at schema.properties[\"a b\"].additionalProperties \(supported)"
        ),
        (
            #"{"type": "int"}"#,
            "The keyword \"type\" at schema must be of null, boolean, object, array, number, integer and string, "
                + "but names \"int\"."
        ),
        (#"{"type": []}"#, "The keyword \"type\" at schema must name at least one type."),
        (#"{"type": null}"#, "The keyword \"type\" at schema must be a name or an array of names."),
        (#"{"required": true}"#, "The keyword \"required\" at schema must be an array of strings."),
        (#"{"required": [1]}"#, "The keyword \"required\" at schema must be an array of strings."),
        (#"{"enum": []}"#, "The keyword \"enum\" at schema must be an array of at least one value."),
        (#"{"minimum": "1"}"#, "The keyword \"minimum\" at schema must be a number."),
        (#"{"exclusiveMinimum": true}"#, "The keyword \"exclusiveMinimum\" at schema must be a number."),
        (#"{"maxLength": -1}"#, "The keyword \"maxLength\" at schema must be an integer of 0 or more."),
        (#"{"minItems": 1.5}"#, "The keyword \"minItems\" at schema must be an integer of 0 or more."),
        (#"{"pattern": 1}"#, "The keyword \"pattern\" at schema must be a string."),
        (
            #"{"items": {"pattern": "("}}"#,
            "The keyword \"pattern\" at schema.items must be a regular expression of PostgreSQL, but invalid regular "
                + "expression: parentheses () not balanced."
        ),
        (#"{"items": [{}]}"#, "schema.items must be an object, true or false, but is an array."),
        (#"{"properties": []}"#, "The keyword \"properties\" at schema must be an object of schemas."),
        (#"{"properties": {"a": 1}}"#, "schema.properties.a must be an object, true or false, but is the number 1."),
        (#"{"anyOf": {}}"#, "The keyword \"anyOf\" at schema must be an array of at least one schema."),
        (#"{"title": 1}"#, "The keyword \"title\" at schema must be a string."),
        (#"{"examples": 1}"#, "The keyword \"examples\" at schema must be an array."),
    ]

    @Test(arguments: problems)
    func aSchemaThatIsNotUnderstoodIsRefused(schema: String, problem: String) async throws {
        let database = try await SchemaDatabase.shared()
        let error = try await database.refusal("select belfry.register_type('T', $1::jsonb)", .text(schema))
        #expect(error.message.hasSuffix("The schema of the notification type \"T\" is not valid: \(problem)"))
        #expect(error.sqlState == "23514")

        let around = try await database.refusal(
            "insert into belfry.notification_type (name, schema) values ('T', $1::jsonb)", .text(schema))
        #expect(around.message.contains("notification_type_schema"))
    }

    @Test(arguments: ["", "1A", "a b", "ä", String(repeating: "x", count: 65)])
    func aNameThatIsNoneIsRefused(name: String) async throws {
        let database = try await SchemaDatabase.shared()
        let error = try await database.refusal("select belfry.register_type($1)", .text(name))
        #expect(error.message.contains("A notification type cannot be named \"\(name)\"."))
        #expect(error.hint?.contains("begins with a letter") == true)
    }

    @Test func aTypeMayBeChangedAndTheSameAgainWritesNothing() async throws {
        let database = try await SchemaDatabase()
        let row = "select schema, description, unchecked, xmin from belfry.notification_type where name = 'a.b-C_1'"
        try await database.query("select belfry.register_type('a.b-C_1', description => 'First.')")
        let first = try await database.query(row)
        #expect(first.first?.dropLast() == ["true", "First.", "t"])
        try await database.query("select belfry.register_type('a.b-C_1')")
        #expect(try await database.query(row) == first)

        try await database.query("select belfry.notify('alice', 'a.b-C_1', '1')")
        try await database.query("select belfry.register_type('a.b-C_1', '{\"type\": \"string\"}')")
        #expect(try await database.query(row).first?.dropLast() == ["{\"type\": \"string\"}", "First.", "f"])
        _ = try await database.refusal("select belfry.notify('alice', 'a.b-C_1', '1')")
        #expect(try await database.statuses() == ["pending"])
    }

    @Test(arguments: ["STRING_MSG", "JSON_MSG", "NOTIFY_VIEWED", "NOTIFY_DELETED"])
    func builtInTypesStay(name: String) async throws {
        let database = try await SchemaDatabase.shared()
        let error = try await database.refusal("select belfry.register_type($1, '{\"type\": \"null\"}')", .text(name))
        #expect(error.message.contains("The notification type \"\(name)\" is built in and stays as it is."))
    }

    @Test(arguments: ["NOTIFY_VIEWED", "NOTIFY_DELETED"])
    func listsOfIdsHoldIds(name: String) async throws {
        let database = try await SchemaDatabase()
        try await database.query(
            "select belfry.notify('alice', $1, '{\"ids\": [1, \"9223372036854775807\"]}')", .text(name))
        for data in ["[]", "{}", #"{"ids": [0]}"#, #"{"ids": ["x"]}"#, #"{"ids": [1], "more": 1}"#] {
            _ = try await database.refusal("select belfry.notify('alice', $1, $2::jsonb)", .text(name), .text(data))
        }
    }
}
