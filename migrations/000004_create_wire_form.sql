-- How a row is written on the wire, in one place for relay, backlog and replay. The functions are inlined into the
-- query that calls them: they run for every message published. A type's name is of letters, digits and _.- and needs no
-- escape; a time is computed as microseconds in a floating-point number, which holds them exactly until 2255.

create function belfry.body(
    id bigint, type text, receiver text, topic text, data jsonb, viewed_at timestamptz, created_at timestamptz
) returns text
language sql stable parallel safe
return '{"id":"' || id::text
    || '","type":"' || type
    || '","receiver":' || coalesce(to_json(receiver)::text, 'null')
    || coalesce(',"topic":' || to_json(topic)::text, '')
    || ',"data":' || data::text
    || case when viewed_at is null then ',"viewed":false' else ',"viewed":true' end
    || ',"created":' || ((date_part('epoch', created_at) * 1000000)::bigint / 1000)::text
    || '}';
comment on function belfry.body(bigint, text, text, text, jsonb, timestamptz, timestamptz) is
    'The body of the MESSAGE frame: {"id":"…","type":"…","receiver":"…","data":…,"viewed":false,"created":<ms since '
    '1970>}; for a broadcast receiver is null and "topic":"…" follows it. The id is a string: JavaScript has no '
    '64-bit integers.';

create function belfry.body(message belfry.message_log) returns text
language sql stable parallel safe
return belfry.body(
    message.id, message.type, message.receiver, message.topic, message.data, message.viewed_at, message.created_at);
comment on function belfry.body(belfry.message_log) is 'The same of a row of the log.';

create function belfry.escaped_header(octets text) returns text
language sql immutable parallel safe
return replace(replace(replace(replace(octets, '\', '\\'), E'\n', '\n'), E'\r', '\r'), ':', '\c');
comment on function belfry.escaped_header is 'A header''s name or value as STOMP 1.2, Value Encoding, wants it.';

create function belfry.all_header_lines(headers jsonb) returns text
language sql immutable parallel safe
return (
    select coalesce(string_agg(belfry.escaped_header(h.key) || ':' || belfry.escaped_header(h.value) || E'\n', ''), '')
    from jsonb_each_text(headers) h
);
comment on function belfry.all_header_lines is 'The work of belfry.header_lines, for headers that are not null.';

create function belfry.header_lines(headers jsonb) returns text
language sql immutable parallel safe
return case when headers is null then '' else belfry.all_header_lines(headers) end;
comment on function belfry.header_lines is
    'The headers of a message as lines of a STOMP 1.2 frame, "name:value\n" each and escaped; empty for null.';
