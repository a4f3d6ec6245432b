-- Who this installation is, in which life of its PostgreSQL it runs, and who leads.

create table belfry.installation (
    only_row boolean primary key default true constraint installation_has_one_row check (only_row),
    id uuid not null default gen_random_uuid()
);
comment on table belfry.installation is
    'One row: the name that keeps the messages of several installations on one Redis apart.';
insert into belfry.installation default values;

-- Unlogged: a crash, a fail-over and a restored base backup empty it, and with them transaction ids, and ids of messages, may
-- be given out a second time. A copy of the database brings its row along, so the row says whose it is.
create unlogged table belfry.incarnation (
    only_row boolean primary key default true constraint incarnation_has_one_row check (only_row),
    id uuid not null default gen_random_uuid(),
    system_identifier bigint not null,
    database oid not null,
    relation oid not null
);
comment on table belfry.incarnation is
    'One row, or none after a crash: the life of PostgreSQL in which transaction ids can be compared with one another. '
    'Envelopes carry its id.';

create function belfry.present_incarnation() returns uuid
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    cluster constant bigint := (select c.system_identifier from pg_control_system() c);
    own_database constant oid := (select d.oid from pg_database d where d.datname = current_database());
    own_relation constant oid := 'belfry.incarnation'::regclass;
    known uuid;
begin
    loop
        select i.id into known
        from belfry.incarnation i
        where i.system_identifier = cluster and i.database = own_database and i.relation = own_relation;
        if found then
            return known;
        end if;
        insert into belfry.incarnation as i (system_identifier, database, relation)
        values (cluster, own_database, own_relation)
        on conflict (only_row) do update
            set id = gen_random_uuid(), system_identifier = cluster, database = own_database, relation = own_relation
            where (i.system_identifier, i.database, i.relation) <> (cluster, own_database, own_relation);
    end loop;
end
$$;
comment on function belfry.present_incarnation is
    'The id of the present life of PostgreSQL; made when a crash, a fail-over, a restore or a copy has left none.';

-- A leader says which backend is its own: when that has ended, so has the leader. No lock decides, which anybody who may
-- connect could hold, but this row, which belfry_service alone may write.
alter table belfry.relay_cursor
    add column backend_pid integer,
    add column backend_start timestamptz,
    add column restart_stamp xid8,
    add column restart_snapshot pg_snapshot,
    add column restart_system_identifier bigint;
comment on column belfry.relay_cursor.backend_pid is
    'The leader''s connection; null when a pooler may be in between, and the last sign of life decides.';
comment on column belfry.relay_cursor.backend_start is 'When that connection began, as process ids are given out again.';
comment on column belfry.relay_cursor.restart_stamp is
    'While the relay starts over in another cluster: the number with which it stamps every row of the outbox.';
comment on column belfry.relay_cursor.restart_snapshot is 'The snapshot under which those rows were listed.';
comment on column belfry.relay_cursor.restart_system_identifier is 'The cluster in which they were listed.';

create table belfry.restart (
    message_id bigint primary key
);
comment on table belfry.restart is
    'While the relay starts over in another cluster: the rows of the outbox that are still to be stamped. What is left '
    'afterwards was held by another transaction and is stamped when that has ended.';

-- Rows that came in without the trigger that queues them.
create table belfry.unqueued (
    message_id bigint primary key,
    noted_at timestamptz not null default statement_timestamp()
);
comment on table belfry.unqueued is
    'Messages that were inserted under session_replication_role = replica (logical replication, some restore tools), '
    'where the trigger that queues them does not run. belfry.replay delivers them.';

create function belfry.note_unqueued() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    insert into belfry.unqueued (message_id) values (new.id) on conflict do nothing;
    return null;
end
$$;
comment on function belfry.note_unqueued is 'Runs in place of belfry.queue_messages under session_replication_role = replica.';

-- For each row: the apply process of logical replication fires no statement triggers.
create trigger note_unqueued after insert on belfry.message_log
    for each row when (new.status = 'pending') execute function belfry.note_unqueued();
alter table belfry.message_log enable replica trigger note_unqueued;

revoke all on belfry.installation, belfry.incarnation, belfry.restart, belfry.unqueued from public;
revoke all on function belfry.present_incarnation(), belfry.note_unqueued() from public;
grant select on belfry.installation to belfry_service, belfry_operator;
grant select, insert, update on belfry.incarnation to belfry_service;
grant select, insert, delete on belfry.restart to belfry_service;
-- Locking a row takes the right to update it.
grant select, update, delete on belfry.unqueued to belfry_service;
grant select on belfry.incarnation, belfry.restart, belfry.unqueued to belfry_operator;
grant execute on function belfry.present_incarnation() to belfry_service;
