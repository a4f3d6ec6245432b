-- A type that every page can show without a line of code of its own: what <belfry-bell> renders by itself.
insert into belfry.notification_type (name, schema, description, built_in) values (
    'NOTICE',
    '{
    "type": "object",
    "required": ["title"],
    "properties": {
        "title": {"type": "string", "minLength": 1, "maxLength": 200},
        "text": {"type": "string", "maxLength": 2000},
        "url": {"type": "string", "maxLength": 2000, "pattern": "^(https?://|/|[?#])"},
        "icon": {"type": "string", "maxLength": 2000, "pattern": "^(https?://|/|data:image/)"},
        "severity": {"enum": ["info", "success", "warning", "error"]},
        "actions": {"type": "array", "maxItems": 2, "items": {
            "type": "object",
            "required": ["label", "url"],
            "properties": {
                "label": {"type": "string", "minLength": 1, "maxLength": 60},
                "url": {"type": "string", "maxLength": 2000, "pattern": "^(https?://|/|[?#])"}
            },
            "additionalProperties": false
        }}
    },
    "additionalProperties": false
}',
    'A notification that is shown as it is: title, text, a link, an icon, up to two actions.',
    true
)
-- Where an application has registered one of that name, it stays the application's.
on conflict on constraint notification_type_pkey do nothing;
