-- How a row is written on the wire, in one place for relay, backlog and replay. The functions are inlined into the
-- query that calls them: they run for every message published.

create function belfry.body(message belfry.message_log) returns text
language sql stable parallel safe
return '{"id":"' || message.id::text
    || '","type":' || to_json(message.type)::text
    || ',"receiver":' || coalesce(to_json(message.receiver)::text, 'null')
    || coalesce(',"topic":' || to_json(message.topic)::text, '')
    || ',"data":' || message.data::text
    || case when message.viewed_at is null then ',"viewed":false' else ',"viewed":true' end
    || ',"created":' || floor(extract(epoch from message.created_at) * 1000)::text
    || '}';
comment on function belfry.body is
    'The body of the MESSAGE frame: {"id":"…","type":"…","receiver":"…","data":…,"viewed":false,"created":<ms since '
    '1970>}; for a broadcast receiver is null and "topic":"…" follows it. The id is a string: JavaScript has no '
    '64-bit integers.';

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
