-- What was held back, and whose time has come, waits for the relay to let it go: without one it is with nobody.

create or replace view belfry.undelivered as
select m.id, m.receiver, m.topic, m.type, statement_timestamp() - m.created_at as age, o.attempts, o.redelivered,
    o.last_error,
    case
        when o.expires_at <= statement_timestamp() then 'nothing: it has expired'
        when o.not_before > statement_timestamp() then 'its time: ' || o.not_before
        when o.not_before is not null then 'the relay'
        when c.snapshot is null or not pg_visible_in_snapshot(o.xid, c.snapshot) then 'the relay'
        when o.topic is not null then 'the end of its time for late nodes'
        when exists (select from belfry.session s where s.receiver = o.receiver) then 'an acknowledgement by a session'
        else 'a session of its receiver'
    end as waits_for
from belfry.outbox o
join belfry.message_log m on m.id = o.message_id
left join belfry.relay_cursor c on c.shard = 0
union all
select m.id, m.receiver, m.topic, m.type, statement_timestamp() - m.created_at, p.attempts, false, p.reason,
    'an operator: it is parked'
from belfry.parked p
join belfry.message_log m on m.id = p.message_id
union all
select m.id, m.receiver, m.topic, m.type, statement_timestamp() - m.created_at, 0::smallint, false,
    'It was inserted under session_replication_role = replica and never queued.',
    'an operator: select * from belfry.replay(ids => ''{' || m.id || '}'')'
from belfry.unqueued u
join belfry.message_log m on m.id = u.message_id
where m.status = 'pending' and not exists (select from belfry.outbox o where o.message_id = m.id);
