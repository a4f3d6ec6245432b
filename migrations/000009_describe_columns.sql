-- What each column, index, sequence and trigger holds or does, where no comment said so: \d+ in psql tells all.
-- Comments lock no rows and stop no insert.

comment on table belfry.message_log is
    'One row a notification. Insert (receiver, type, data) or (topic, type, data) in the transaction that changes the '
    'business rows; a trigger checks the row and queues it, and it is delivered after the commit. Kept until '
    'retention. Half of each page is left free (fillfactor), so that marking a row delivered stays in its page (HOT).';
comment on column belfry.message_log.status is
    'pending: in the outbox. delivered: a client acknowledged it (in ack mode auto: its bytes were written to the '
    'socket). expired: expires_at came first, or no session took a broadcast in its time. cancelled: by belfry.cancel. '
    'parked: it could not be delivered, see belfry.parked. No index holds it, so that marking stays HOT.';
comment on column belfry.message_log.created_at is
    'When the statement that inserted the row began. With the id it tells a message from one that gets the same id '
    'after a crash.';
comment on column belfry.message_log.delivered_at is
    'When the first acknowledgement was written; null before, and again after a replay.';
comment on index belfry.message_log_pkey is 'Marks, bodies, replay: by id.';
comment on index belfry.message_log_idempotency_key is 'Keeps keys unique, and finds a message by its key.';
comment on index belfry.message_log_topic is 'What a topic brought after a last-message-id.';
comment on index belfry.message_log_created_at is
    'Ranges of time, for replay and retention (BRIN: a few pages in all).';
comment on sequence belfry.message_log_id_seq is
    'Ids of messages. Its cache must stay 1: with more each session would have ids of its own in store, in another '
    'order than that of transactions.';
comment on trigger queue_messages on belfry.message_log is
    'Checks new rows and queues them in belfry.outbox; rings the relay if it sleeps.';
comment on trigger note_unqueued on belfry.message_log is
    'Notes in belfry.unqueued what comes in while queue_messages does not run.';

comment on column belfry.outbox.message_id is
    'The message, in belfry.message_log. No foreign key: it would lock each row of the log once more.';
comment on column belfry.outbox.receiver is 'As in the log: the user.';
comment on column belfry.outbox.topic is 'As in the log: the topic of a broadcast.';
comment on column belfry.outbox.not_before is
    'Held back until then: by the writer, after a refusal (NACK), or after a failed try to publish. The relay then '
    'clears it and stamps the row with a new xid. Null: to be published.';
comment on column belfry.outbox.expires_at is 'As in the log; null instead of infinity.';
comment on column belfry.outbox.redelivered is
    'A session may have been shown it: one ended without acknowledging it, a client refused it, or it was replayed. '
    'The next session gets it with redelivered:true.';
comment on column belfry.outbox.last_error is 'Why it was put off last, for the operator.';
comment on column belfry.outbox.published_at is
    'When the relay published it; kept for broadcasts only, whose rows stay for limits.topicHold after it, so that '
    'nodes that missed it find it.';
comment on index belfry.outbox_pkey is 'Marks: by id.';
comment on index belfry.outbox_xid is
    'The relay''s pages, by (xid, id). The sum keeps plans for searches by id alone off this index.';
comment on index belfry.outbox_receiver is 'A user''s backlog, and what a node may have missed of it.';
comment on index belfry.outbox_topic is 'What a node may have missed of a topic.';
comment on index belfry.outbox_published_at is 'Broadcasts whose time for late nodes is over.';
comment on index belfry.outbox_not_before is 'Held-back rows whose time has come.';
comment on index belfry.outbox_expires_at is 'Rows that have expired.';

comment on column belfry.parked.message_id is 'The message, in belfry.message_log.';
comment on column belfry.parked.parked_at is 'When it was parked.';
comment on column belfry.parked.reason is 'Why, as a sentence; also the status_reason of the message.';
comment on column belfry.parked.attempts is 'Refusals by clients and failed tries to publish, until then.';
comment on index belfry.parked_pkey is 'By id.';

comment on column belfry.notification_type.name is
    'What belfry.message_log.type names: a letter, then up to 63 letters, digits, "_", "." and "-".';
comment on column belfry.notification_type.description is 'For people; nothing reads it.';
comment on column belfry.notification_type.updated_at is 'When it was registered, or changed last.';
comment on index belfry.notification_type_pkey is 'The trigger''s look for a type: by name.';

comment on table belfry.relay_cursor is
    'How far the relay has published, and who leads. Written without waiting for the disk: a crash of PostgreSQL may '
    'bring back an earlier position, and what was published since is published again.';
comment on column belfry.relay_cursor.shard is 'A partition of the outbox; there is one, 0.';
comment on column belfry.relay_cursor.position_xid is
    'Within a step: the xid of the last row that was published, in the order of (xid, message_id).';
comment on column belfry.relay_cursor.position_id is 'Within a step: the message_id of that row.';
comment on column belfry.relay_cursor.advanced_at is 'When the cursor was moved last.';
comment on column belfry.relay_cursor.leader_seen_at is
    'The leader''s last sign of life: one a second, two by a lease (backend_pid is null). Null when it stopped in '
    'order.';
comment on index belfry.relay_cursor_pkey is 'One row a partition.';

comment on column belfry.restart.message_id is 'A row of the outbox that is still to be stamped.';
comment on index belfry.restart_pkey is 'By id: batches go in its order.';

comment on column belfry.node.id is 'Made anew at each start of the process.';
comment on column belfry.node.host is 'The name of its machine.';
comment on column belfry.node.pid is 'Its process id there.';
comment on column belfry.node.started_at is 'When it wrote its row first.';
comment on column belfry.node.heartbeat_at is
    'Its last sign of life, one in two seconds. After 15 s without one the relay takes it for dead, marks what its '
    'sessions may have been shown, and removes its row.';
comment on index belfry.node_pkey is 'By id.';

comment on column belfry.session.id is 'The session that CONNECTED names.';
comment on column belfry.session.node_id is
    'Its node, in belfry.node. A row without one that is older than 60 s counts as left by a killed node.';
comment on column belfry.session.receiver is 'Its user.';
comment on column belfry.session.opened_at is
    'When it first read its backlog: the row is written before anything is sent.';
comment on index belfry.session_pkey is 'By id.';
comment on index belfry.session_receiver is 'Whether a user has another session.';
comment on index belfry.session_node is 'The sessions of a killed node.';

comment on column belfry.setting.only_row is 'True: there is one row.';
comment on index belfry.setting_pkey is 'Keeps the row alone.';
comment on column belfry.installation.only_row is 'True: there is one row.';
comment on column belfry.installation.id is 'Random, made by the migration; in the name of each channel of the bus.';
comment on index belfry.installation_pkey is 'Keeps the row alone.';
comment on column belfry.incarnation.only_row is 'True: there is one row, or none.';
comment on column belfry.incarnation.id is
    'Random, made by whoever asks first after a crash, a fail-over, a restore or a copy.';
comment on column belfry.incarnation.system_identifier is 'The cluster that it was made in.';
comment on column belfry.incarnation.database is 'The database that it was made in.';
comment on column belfry.incarnation.relation is 'The table that it was made in; another one in a restored schema.';
comment on index belfry.incarnation_pkey is 'Keeps the row alone.';

comment on column belfry.unqueued.message_id is 'The message, in belfry.message_log.';
comment on column belfry.unqueued.noted_at is 'When it was inserted.';
comment on index belfry.unqueued_pkey is 'By id.';

comment on column belfry.migration.version is 'The number of the migration.';
comment on column belfry.migration.name is 'The name of its file, without number and ending.';
comment on column belfry.migration.applied_at is 'When it was applied.';
comment on index belfry.migration_pkey is 'Each migration is applied once.';

comment on column belfry.undelivered.id is 'The message, in belfry.message_log.';
comment on column belfry.undelivered.receiver is 'Its user, if it is no broadcast.';
comment on column belfry.undelivered.topic is 'Its topic, if it is a broadcast.';
comment on column belfry.undelivered.type is 'Its type.';
comment on column belfry.undelivered.age is 'Since it was inserted.';
comment on column belfry.undelivered.attempts is 'Refusals by clients and failed tries to publish.';
comment on column belfry.undelivered.redelivered is 'A session may have been shown it.';
comment on column belfry.undelivered.last_error is 'Why it was put off or parked.';
comment on column belfry.undelivered.waits_for is 'What has to happen next; docs/operations.md says what to do.';
