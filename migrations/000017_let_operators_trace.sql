-- Of an id without a message operators can tell whether it was given out.

grant select on sequence belfry.message_log_id_seq to belfry_operator;
