-- Who is connected, over all nodes: what bounds the sessions of a user.

create unlogged table belfry.presence (
    id uuid primary key,
    node_id uuid not null,
    receiver text not null,
    opened_at timestamptz not null default clock_timestamp(),
    transport text not null,
    address text,
    close_reason text
) with (
    fillfactor = 80,
    autovacuum_vacuum_scale_factor = 0.05,
    autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_cost_delay = 0
);
create index presence_receiver on belfry.presence (receiver, opened_at, id);
create index presence_node on belfry.presence (node_id);
create index presence_closing on belfry.presence (node_id) where close_reason is not null;

comment on table belfry.presence is
    'One row a session whose token was accepted, whatever it subscribes to; written by its node soon after CONNECTED. '
    'Unlogged: after a crash of PostgreSQL the nodes write it anew.';
comment on column belfry.presence.id is 'The session that CONNECTED names.';
comment on column belfry.presence.node_id is 'Its node, in belfry.node; a row without one is left by a killed node.';
comment on column belfry.presence.receiver is 'Its user.';
comment on column belfry.presence.opened_at is 'When the row was written first.';
comment on column belfry.presence.transport is 'What carries it: websocket, tcp, sockjs-….';
comment on column belfry.presence.address is 'The client''s IP address, where it is known.';
comment on column belfry.presence.close_reason is
    'Why its node is to close it, as the close reason''s name; null while it may go on.';
comment on index belfry.presence_pkey is 'By id.';
comment on index belfry.presence_receiver is 'The sessions of a user, the oldest first.';
comment on index belfry.presence_node is 'The sessions of a node that has gone.';
comment on index belfry.presence_closing is 'What a node is to close.';

revoke all on belfry.presence from public;
grant select, insert, update, delete on belfry.presence to belfry_service;
grant select on belfry.presence to belfry_operator;
