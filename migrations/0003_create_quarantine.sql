-- Batches that Postgres refused for a value although the decoder had let them in: kept whole, for a person to look at.

create table quarantine (
    shard_key bigint not null,
    batch_id uuid not null,
    received_at timestamptz not null,
    quarantined_at timestamptz not null,
    sqlstate text not null,
    reason text not null,                        -- what Postgres said, without the values
    batch bytea not null,                        -- collector.rows.encode_rows
    primary key (shard_key, batch_id)
);
