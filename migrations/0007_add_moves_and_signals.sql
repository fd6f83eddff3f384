-- A report's moves and signals lie in values beside it, as its clicks do; both are empty in most reports.

alter table view_reports
    add column moves bytea not null default ''       -- records of collector.packing.MOVE_FIELDS
        check (length(moves) % 22 = 0),
    add column signals bytea not null default ''     -- records of collector.packing.SIGNAL_FIELDS
        check (length(signals) % 21 = 0),
    add column signal_texts text[] not null default '{}', -- of each signal its text; empty where none has any
    add check (cardinality(signal_texts) in (0, length(signals) / 21));

-- A click's kind says now what made it, with which button, and on what; only primary ones count (button 0).
drop view clicks;
create view clicks as
select report.shard_key, report.fact_day, report.flush_id, report.view_id, report.page_id,
    ('x' || encode(substr(click.packed, 1, 8), 'hex'))::bit(64)::bigint as element_id,
    ('x' || encode(substr(click.packed, 9, 4), 'hex'))::bit(32)::int as at_ms,
    ('x' || encode(substr(click.packed, 13, 4), 'hex'))::bit(32)::int as x_px,
    ('x' || encode(substr(click.packed, 17, 4), 'hex'))::bit(32)::int as y_px,
    ('x' || encode(substr(click.packed, 21, 4), 'hex'))::bit(32)::int as element_w_px,
    ('x' || encode(substr(click.packed, 25, 4), 'hex'))::bit(32)::int as element_h_px,
    ('x' || encode(substr(click.packed, 29, 4), 'hex'))::bit(32)::int as viewport_w_px,
    ('x' || encode(substr(click.packed, 33, 4), 'hex'))::bit(32)::int as viewport_h_px,
    ('x' || encode(substr(click.packed, 37, 4), 'hex'))::bit(32)::int as doc_w_px,
    ('x' || encode(substr(click.packed, 41, 4), 'hex'))::bit(32)::int as doc_h_px,
    ('x' || encode(substr(click.packed, 45, 4), 'hex'))::bit(32)::int as nth,
    get_byte(click.packed, 48)::smallint as x_frac,
    get_byte(click.packed, 49)::smallint as y_frac,
    get_byte(click.packed, 50)::smallint as kind,
    get_byte(click.packed, 51)::smallint as device,
    (get_byte(click.packed, 50) & 3)::smallint as pointer,       -- 0 mouse, 1 touch, 2 pen, 3 keyboard
    (get_byte(click.packed, 50) >> 2 & 3)::smallint as button,   -- 0 primary, 1 middle, 2 secondary
    get_byte(click.packed, 50) & 16 <> 0 as looks_interactive,
    get_byte(click.packed, 50) & 32 <> 0 as is_repeated,         -- on a control made for repetition
    get_byte(click.packed, 50) & 64 <> 0 as is_selecting,        -- text was selected or being selected
    get_byte(click.packed, 50) & 128 <> 0 as is_modified         -- with a modifier key
from view_reports as report
cross join lateral (
    select substr(report.clicks, 52 * place - 51, 52) as packed
    from generate_series(1, length(report.clicks) / 52) as place
) as click;

-- Moves and signals as rows, for people and for checks.
create view moves as
select report.shard_key, report.fact_day, report.flush_id, report.view_id, report.page_id, report.device,
    ('x' || encode(substr(move.packed, 1, 8), 'hex'))::bit(64)::bigint as element_id,
    ('x' || encode(substr(move.packed, 9, 4), 'hex'))::bit(32)::int as at_ms,
    ('x' || encode(substr(move.packed, 13, 4), 'hex'))::bit(32)::int as x_px,
    ('x' || encode(substr(move.packed, 17, 4), 'hex'))::bit(32)::int as y_px,
    get_byte(move.packed, 20)::smallint as x_frac,
    get_byte(move.packed, 21)::smallint as y_frac
from view_reports as report
cross join lateral (
    select substr(report.moves, 22 * place - 21, 22) as packed
    from generate_series(1, length(report.moves) / 22) as place
) as move;

create view signals as
select report.shard_key, report.fact_day, report.flush_id, report.view_id, report.page_id, report.device,
    nullif(('x' || encode(substr(signal.packed, 1, 8), 'hex'))::bit(64)::bigint, 0) as element_id,
    ('x' || encode(substr(signal.packed, 9, 4), 'hex'))::bit(32)::int as at_ms,
    ('x' || encode(substr(signal.packed, 13, 4), 'hex'))::bit(32)::int as value,
    ('x' || encode(substr(signal.packed, 17, 4), 'hex'))::bit(32)::int as extra,
    get_byte(signal.packed, 20)::smallint as kind,               -- collector.ids.SignalKind
    coalesce(report.signal_texts[signal.place], '') as text
from view_reports as report
cross join lateral (
    select place, substr(report.signals, 21 * place - 20, 21) as packed
    from generate_series(1, length(report.signals) / 21) as place
) as signal;

-- The structures that a page was seen with (a hash of it, by the snippet), so that a redesign is found later.
create table layout_versions (
    shard_key bigint not null,
    page_id bigint not null,
    device smallint not null,
    width_class smallint not null,
    version bigint not null,
    first_at timestamptz not null,
    last_at timestamptz not null,
    primary key (shard_key, page_id, device, width_class, version)
);

-- What the snippet of a site does, and which query parameters are part of its pages' addresses.
alter table sites
    add column params text[] not null default '{}',
    add column snippet_flags smallint not null default 1;
