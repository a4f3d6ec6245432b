-- The schema, its three roles and its tables. ARCHITECTURE.md says why each table is as it is. ASCII only, so that a
-- database of another encoding gets as far as being refused.

do $$
begin
    if current_setting('server_version_num')::int < 150000 then
        raise exception 'Belfry needs PostgreSQL 15 or later, but this server is %.', current_setting('server_version')
            using errcode = 'feature_not_supported', hint = 'The doorbell is an unlogged sequence.';
    end if;
    if getdatabaseencoding() <> 'UTF8' then
        raise exception 'Belfry needs a database with the encoding UTF8, but "%" has %.',
            current_database(), getdatabaseencoding()
            using errcode = 'feature_not_supported', hint = 'create database ... encoding ''UTF8'' template template0';
    end if;
end
$$;

-- Roles belong to the whole cluster and may serve several databases: they are created when missing, and never altered.
do $$
declare
    role_name text;
    purpose text;
begin
    for role_name, purpose in
        values ('belfry_writer', 'Applications that send notifications: may insert, and call the functions for that.'),
               ('belfry_service', 'Belfry''s own processes: relay and nodes.'),
               ('belfry_operator', 'People on call: may read everything, replay and cancel.')
    loop
        if not exists (select from pg_catalog.pg_roles where rolname = role_name) then
            begin
                execute format('create role %I nologin', role_name);
                execute format('comment on role %I is %L', role_name, purpose);
            exception
                -- A migration of another database of this cluster was quicker.
                when duplicate_object or unique_violation then
                    null;
                when insufficient_privilege then
                    raise exception 'The role "%" does not exist, and "%" may not create it.', role_name, current_user
                        using errcode = 'insufficient_privilege',
                            hint = 'Let somebody who may run: create role belfry_writer nologin; '
                                'create role belfry_service nologin; create role belfry_operator nologin;';
            end;
        end if;
    end loop;
end
$$;

create schema if not exists belfry;
comment on schema belfry is
    'Notifications that ring after commit. Applications insert into belfry.message_log or call belfry.notify.';

-- Domains and not checks of the table, whose text PostgreSQL parses anew in each INSERT: two checks took a sixth of it, a
-- domain takes a hundredth.
create domain belfry.message_status as text
    constraint message_log_status check (value in ('pending', 'delivered', 'expired', 'cancelled', 'parked'));
comment on domain belfry.message_status is 'What became of a message.';
create domain belfry.idempotency_key as text
    constraint message_log_idempotency_key_has_1_to_255_bytes check (octet_length(value) between 1 and 255);
comment on domain belfry.idempotency_key is 'A writer''s own name for an event, so that it is sent once.';

create table belfry.message_log (
    id bigint generated always as identity primary key,
    receiver text,
    topic text,
    type text not null,
    data jsonb not null default 'null',
    headers jsonb,
    status belfry.message_status not null default 'pending',
    status_reason text,
    -- The statement's time, not the transaction's: it tells when the row was written even in a long transaction.
    created_at timestamptz not null default statement_timestamp(),
    delivered_at timestamptz,
    viewed_at timestamptz,
    not_before timestamptz,
    expires_at timestamptz,
    idempotency_key belfry.idempotency_key
) with (
    -- Every row is marked delivered soon, often together with its neighbours in one statement, and needs room for its
    -- new version beside the old one to stay in its page (HOT) and out of the indexes. Measured in batches of 25
    -- neighbours: HOT are 39% at 100, 49% at 85, 68% at 70 and 100% at 50, which ends about as large as 85 grows to.
    fillfactor = 50,
    -- The table grows for ever and its tail is what is read: look at it after a twentieth of it, not a fifth, has
    -- changed.
    autovacuum_vacuum_scale_factor = 0.05,
    autovacuum_vacuum_insert_scale_factor = 0.05,
    autovacuum_analyze_scale_factor = 0.05
);
create unique index message_log_idempotency_key on belfry.message_log (idempotency_key)
    where idempotency_key is not null;
create index message_log_topic on belfry.message_log (topic, id) where topic is not null;
-- Ranges of time, for replay and retention: a few pages in all, and no measurable cost at an INSERT.
create index message_log_created_at on belfry.message_log using brin (created_at);

comment on table belfry.message_log is
    'One row a notification. Insert (receiver, type, data) or (topic, type, data) in the transaction that changes '
    'the business rows; a trigger checks the row and queues it, and it is delivered after the commit. Kept until '
    'retention.';
comment on column belfry.message_log.id is
    'The message-id that the client sees. A writer may read it, so that INSERT ... RETURNING id works.';
comment on column belfry.message_log.receiver is
    'The user''s id (the sub of the token), 1 to 255 bytes. Else topic is given.';
comment on column belfry.message_log.topic is
    'The name of a broadcast''s topic (/topic/<name>), 1 to 255 bytes. Else receiver is given.';
comment on column belfry.message_log.type is
    'A name in belfry.notification_type. No foreign key: the trigger checks it.';
comment on column belfry.message_log.data is
    'The content; it matches the schema of the type, and its text has at most belfry.setting.data_bytes_max bytes.';
comment on column belfry.message_log.headers is
    'Carried to the client as STOMP headers, e.g. {"traceparent": "..."}: a JSON object of strings, numbers and '
    'booleans, at most 32 and 8 KiB. STOMP''s own names (message-id, content-type, ...) are refused.';
comment on column belfry.message_log.status is
    'pending: in the outbox. delivered: a client acknowledged it. expired: expires_at came first. cancelled: by '
    'belfry.cancel. parked: it could not be delivered, see belfry.parked. No index holds it, so that marking stays '
    'HOT.';
comment on column belfry.message_log.status_reason is
    'Why the status is what it is, as a sentence, where there is more to say.';
comment on column belfry.message_log.viewed_at is
    'When the user looked at it; the body''s "viewed" is true from then on.';
comment on column belfry.message_log.not_before is 'It is held back until then.';
comment on column belfry.message_log.expires_at is
    'It is not delivered from then on, but marked expired. A time that has passed already is allowed, one that is '
    'not after not_before is refused.';
comment on column belfry.message_log.idempotency_key is
    'Unique where given, 1 to 255 bytes, for as long as the row is kept: a second insert fails, belfry.notify '
    'returns the first one''s id instead.';

-- No foreign key to the log: the rows come from its trigger only, and a foreign key would lock each log row once more.
create table belfry.outbox (
    message_id bigint primary key,
    xid xid8 not null,
    receiver text,
    topic text,
    not_before timestamptz,
    expires_at timestamptz,
    attempts smallint not null default 0,
    redelivered boolean not null default false,
    last_error text,
    published_at timestamptz
) with (
    fillfactor = 90,
    -- A queue: nearly every row dies within seconds. Vacuum after so many dead rows whatever the size, and at full
    -- speed, so that indexes stay as small as what is waiting.
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 2000,
    autovacuum_vacuum_insert_scale_factor = 0,
    autovacuum_vacuum_insert_threshold = 20000,
    autovacuum_analyze_scale_factor = 0,
    autovacuum_analyze_threshold = 5000,
    autovacuum_vacuum_cost_delay = 0
);
-- The sum hides message_id from searches by id alone. While the outbox is empty every index costs the same, and a plan made
-- then, and kept, would walk all of this one for each batch of acknowledgements when it has grown. For the same reason
-- statements that go by id say "topic is null", not "receiver is not null", which a partial index answers.
create index outbox_xid on belfry.outbox (xid, (message_id + 0));
create index outbox_receiver on belfry.outbox (receiver, message_id) where receiver is not null;
create index outbox_topic on belfry.outbox (topic, message_id) where topic is not null;
create index outbox_published_at on belfry.outbox (published_at) where published_at is not null;
create index outbox_not_before on belfry.outbox (not_before) where not_before is not null;
create index outbox_expires_at on belfry.outbox (expires_at) where expires_at is not null;

comment on table belfry.outbox is
    'One row for each message not yet delivered, filled by the trigger on belfry.message_log. A broadcast''s row '
    'stays for a while after it was published.';
comment on column belfry.outbox.xid is
    'The transaction that wrote the row, or that stamped it to be published once more. The relay''s cursor is a '
    'snapshot over this column.';
comment on column belfry.outbox.attempts is
    'Refusals by clients and failed tries to publish; too many, and the message is parked.';
comment on column belfry.outbox.redelivered is
    'It was handed to a session before, so the next one gets redelivered:true.';
comment on column belfry.outbox.published_at is 'When the relay published it; kept for broadcasts only.';

create table belfry.parked (
    message_id bigint primary key references belfry.message_log on delete cascade,
    parked_at timestamptz not null default statement_timestamp(),
    reason text not null,
    attempts smallint not null default 0
);
comment on table belfry.parked is
    'What an operator must look at: messages that could not be delivered and left the outbox. belfry.replay puts '
    'them back.';

create table belfry.notification_type (
    name text primary key
        constraint notification_type_name check (name ~ '^[A-Za-z][A-Za-z0-9_.-]{0,63}$'),
    schema jsonb not null default 'true',
    description text,
    built_in boolean not null default false,
    updated_at timestamptz not null default statement_timestamp(),
    unchecked boolean not null generated always as (schema in ('true', '{}')) stored
);
comment on table belfry.notification_type is 'The types that a notification may have. Written by belfry.register_type.';
comment on column belfry.notification_type.schema is
    'A JSON Schema for data, of the keywords that belfry.schema_problem knows. A change does not touch messages that '
    'exist.';
comment on column belfry.notification_type.built_in is 'Belfry''s own type; belfry.register_type leaves it alone.';
comment on column belfry.notification_type.unchecked is
    'The schema allows anything, so the trigger need not look at data.';

create table belfry.relay_cursor (
    shard integer primary key,
    snapshot pg_snapshot not null,
    target pg_snapshot,
    position_xid xid8,
    position_id bigint,
    term bigint not null default 0,
    relay text,
    system_identifier bigint,
    advanced_at timestamptz,
    leader_seen_at timestamptz
) with (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
comment on table belfry.relay_cursor is 'How far the relay has published, and who leads.';
comment on column belfry.relay_cursor.snapshot is 'Every outbox row whose xid is visible in it has been published.';
comment on column belfry.relay_cursor.target is
    'The snapshot that the present step works towards; with position_xid and position_id, where it stands. Null '
    'between steps.';
comment on column belfry.relay_cursor.term is
    'Counts the leaders. A leader writes only where the term is its own, so one that was superseded changes nothing.';
comment on column belfry.relay_cursor.relay is 'The leader, as host and process.';
comment on column belfry.relay_cursor.system_identifier is
    'The cluster that snapshot belongs to, null before the first leader. In another cluster transaction ids mean '
    'nothing, and the relay starts over.';
comment on column belfry.relay_cursor.leader_seen_at is 'The leader''s last sign of life.';
insert into belfry.relay_cursor (shard, snapshot, term, system_identifier)
select 0, '1:1:', 0, system_identifier from pg_control_system();

create table belfry.node (
    id uuid primary key,
    host text not null,
    pid integer not null,
    listen text not null,
    started_at timestamptz not null default statement_timestamp(),
    heartbeat_at timestamptz not null default statement_timestamp(),
    sessions integer not null default 0
) with (fillfactor = 50);
comment on table belfry.node is 'One row a running node; one whose heartbeat_at is old was killed.';
comment on column belfry.node.listen is 'The address it listens on.';
comment on column belfry.node.sessions is 'Open sessions at the last heart-beat.';

-- No foreign key to the node: a session's row must outlive its node's until its messages are marked as redelivered.
create table belfry.session (
    id uuid primary key,
    node_id uuid not null,
    receiver text not null,
    opened_at timestamptz not null default statement_timestamp()
) with (
    autovacuum_vacuum_scale_factor = 0.05,
    autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_cost_delay = 0
);
create index session_receiver on belfry.session (receiver);
create index session_node on belfry.session (node_id);
comment on table belfry.session is
    'One row a session subscribed to its user''s queue. A row left by a killed node tells which messages may have '
    'been seen already.';

create table belfry.setting (
    only_row boolean primary key default true constraint setting_has_one_row check (only_row),
    data_bytes_max integer not null default 262144
        constraint setting_data_bytes_max check (data_bytes_max between 1 and 67108864)
);
comment on table belfry.setting is
    'One row: the settings that the trigger on belfry.message_log reads. Changed by the owner.';
comment on column belfry.setting.data_bytes_max is 'Bytes of data::text at most.';
insert into belfry.setting default values;

create unlogged sequence belfry.doorbell minvalue 1 maxvalue 2 start 1;
comment on sequence belfry.doorbell is
    'last_value 1: the relay sleeps, and a writer must notify the channel belfry_doorbell. 2: it is awake. Reading '
    'it is not bound to a snapshot, and a crash resets it to 1.';
