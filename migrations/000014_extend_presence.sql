-- What operators are shown of sessions, how they end them, and the tokens that may not come back.

alter table belfry.presence
    add column client text,
    add column topics text[] not null default '{}',
    add column token text,
    add column token_expires_at timestamptz,
    add column asked_at timestamptz,
    add column answered_at timestamptz,
    add column unacknowledged integer;
create index presence_asked on belfry.presence (node_id) where asked_at is not null;
comment on column belfry.presence.client is
    'What the client calls itself: User-Agent; null when it does not, or is not known.';
comment on column belfry.presence.topics is 'The topics that it is subscribed to.';
comment on column belfry.presence.token is
    'The first 16 bytes of the token''s SHA-256, in hexadecimal; null when there was none.';
comment on column belfry.presence.token_expires_at is 'When that token expires; null for never.';
comment on column belfry.presence.asked_at is
    'When an operator wanted to know how many messages are unacknowledged; null once its node has answered.';
comment on column belfry.presence.answered_at is 'When the node said so last.';
comment on column belfry.presence.unacknowledged is 'How many were sent and not acknowledged then.';
comment on index belfry.presence_asked is 'What a node is to answer.';

create table belfry.refused_token (
    token text primary key,
    refused_at timestamptz not null default clock_timestamp(),
    until timestamptz not null default 'infinity'
);
comment on table belfry.refused_token is
    'Tokens with which nobody may connect any more: nodes read it every two seconds. Written by '
    'DELETE /api/v1/users/{id}/sessions?refuse=true.';
comment on column belfry.refused_token.token is 'As in belfry.presence.';
comment on column belfry.refused_token.refused_at is 'Since when.';
comment on column belfry.refused_token.until is 'When the token has expired by itself; infinity when it never does.';
comment on index belfry.refused_token_pkey is 'By token.';

revoke all on belfry.refused_token from public;
grant select, insert, update, delete on belfry.refused_token to belfry_service;
grant select on belfry.refused_token to belfry_operator;
