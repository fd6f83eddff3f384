-- Views of bots are kept, scored and counted apart. Facts keep the signs that were seen (collector.ids.BotSign) and what
-- they weighed; rollups have an audience in their keys: 0 people, 1 bots. What is stored already counts as people's.

alter table view_reports
    add column bot_signs int not null default 0,
    add column bot_score smallint not null default 0;  -- collector.bots.score of the signs; `jalki rescore` brings it up to date

-- The score from which a site's views count as a bot's; without a row JALKI_BOT_SCORE is asked.
create table bot_thresholds (
    site_id int primary key references sites,
    score smallint not null check (score between 1 and 101)
);

alter table view_states
    add column bot_signs int not null default 0,  -- of all reports of the view together
    add column bot_score smallint not null default 0,
    add column audience smallint not null default 0,  -- under which the rollups count the view now
    add column click_flushes bigint[] default '{}';  -- flushes with clicks of it, to move them; null: too many, it stays where it is

-- The flushes of views under way are not known: they stay with people.
update view_states set click_flushes = null where clicks > 0;

alter table rollup_clicks
    add column audience smallint not null default 0,
    drop constraint rollup_clicks_pkey,
    add primary key (shard_key, page_id, local_day, device, audience, part_id);
alter table rollup_clicks alter column audience drop default;

alter table rollup_pages
    add column audience smallint not null default 0,
    drop constraint rollup_pages_pkey,
    add primary key (shard_key, page_id, local_day, device, audience);
alter table rollup_pages alter column audience drop default;

alter table rollup_sections
    add column audience smallint not null default 0,
    drop constraint rollup_sections_pkey,
    add primary key (shard_key, page_id, local_day, device, audience, section_id);
alter table rollup_sections alter column audience drop default;
