-- A report's clicks lie in one value beside it: 52 bytes a click instead of a row of 128, and one row to write, to log and
-- to read where there were one and one more for each click.

alter table view_reports add column clicks bytea not null default ''   -- records of collector.rows.CLICK_FIELDS
    check (length(clicks) % 52 = 0);

-- The clicks do not say in which report of their flush and view they came: they go to one of those with the lowest `seq`.
update view_reports as report
set clicks = packed.clicks
from (
    select shard_key, fact_day, flush_id, view_id,
        string_agg(
            int8send(element_id) || int4send(at_ms) || int4send(x_px) || int4send(y_px)
                || int4send(element_w_px) || int4send(element_h_px)
                || int4send(viewport_w_px) || int4send(viewport_h_px) || int4send(doc_w_px) || int4send(doc_h_px)
                || int4send(nth)
                || substr(int2send(x_frac), 2) || substr(int2send(y_frac), 2)
                || substr(int2send(kind), 2) || substr(int2send(device), 2),
            ''::bytea order by at_ms, nth
        ) as clicks
    from clicks
    group by shard_key, fact_day, flush_id, view_id
) as packed
where report.shard_key = packed.shard_key
  and report.fact_day = packed.fact_day
  and report.flush_id = packed.flush_id
  and report.view_id = packed.view_id
  and report.ctid = (
      select same.ctid
      from view_reports as same
      where same.shard_key = packed.shard_key
        and same.fact_day = packed.fact_day
        and same.flush_id = packed.flush_id
        and same.view_id = packed.view_id
      order by same.seq
      limit 1
  );

drop table clicks;

-- The clicks as rows, for people and for checks; the rollup and the exports read the packed values.
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
    get_byte(click.packed, 51)::smallint as device
from view_reports as report
cross join lateral (
    select substr(report.clicks, 52 * place - 51, 52) as packed
    from generate_series(1, length(report.clicks) / 52) as place
) as click;
