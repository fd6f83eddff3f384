-- The first schema. SCALE rules: shard_key leads every key of a fact, dictionary or rollup table; ids come from the
-- application; facts are append-only. `shard_key = site_id << 8 | bucket`.

-- Control tables (ordinary or reference) --------------------------------------------------------------------------

create table sites (
    site_id int primary key generated always as identity,
    key text not null unique,                    -- public write key, stands in the snippet's URL
    name text not null,
    origins text[] not null,                     -- allowed Origin headers; empty: any
    time_zone text not null default 'UTC',       -- days of the rollups are local days of this zone
    buckets smallint not null default 1 check (buckets between 1 and 256),
    tablet_min_px smallint not null default 600, -- device class borders, CSS px of viewport width
    desktop_min_px smallint not null default 1024,
    created_at timestamptz not null
);

create table salts (                             -- a day's salt is destroyed once no batch of that day can arrive any more
    day date primary key,
    salt bytea not null
);

create table people_sessions (                   -- signed-in browsers; only a hash of the cookie is kept
    token_hash bytea primary key,
    created_at timestamptz not null,
    expires_at timestamptz not null
);

create table sign_in_links (                     -- one-time links; deleted when used
    token_hash bytea primary key,
    expires_at timestamptz not null
);

create table api_tokens (
    token_hash bytea primary key,
    token_id text not null unique,               -- what lists show; not secret
    site_id int not null references sites,
    scope text not null check (scope in ('read', 'export')),
    created_at timestamptz not null
);

-- Facts (distributed by shard_key) --------------------------------------------------------------------------------

-- One row per stored batch: the idempotency key and the work list of the rollup in one.
create table ledger (
    shard_key bigint not null,
    batch_id uuid not null,
    flush_id bigint not null,
    fact_day date not null,                      -- partition of the flush's facts
    settled boolean not null default false,
    received_at timestamptz not null,
    primary key (shard_key, batch_id)
);
-- The rollup looks for unsettled flushes only; settled rows (all but the last second's) are not in this index.
create index ledger_unsettled on ledger (shard_key, flush_id) where not settled;
-- Pruning by age, which is in the flush id.
create index ledger_flush on ledger using brin (flush_id);

-- When batches were received, of all that the rollup has settled: outlives their ledger rows.
create table arrivals (
    shard_key bigint primary key,
    first_at timestamptz not null,
    last_at timestamptz not null
);

-- One row per stored batch: what is known of its view so far (cumulative; the highest `seq` of a view is the truth).
create table view_reports (
    shard_key bigint not null,
    fact_day date not null,                      -- UTC date of receipt
    flush_id bigint not null,
    view_id bigint not null,
    visitor_key bigint not null,
    page_id bigint not null,
    device smallint not null,
    navigation smallint not null,
    seq int not null,
    started_at timestamptz not null,             -- by the server's clock
    local_day date not null,                     -- day the view began, in the site's time zone
    active_ms int not null,                      -- last activity, ms since the view began
    engaged_ms int not null,
    viewport_w_px int not null,
    viewport_h_px int not null,
    doc_w_px int not null,
    doc_h_px int not null,
    depth_px int not null,
    depth_doc_h_px int not null,                 -- document height at the moment of the greatest depth
    referrer_host text,
    exit_section_id bigint,
    section_ids bigint[] not null,               -- sections whose figures changed since the last acknowledged report
    section_ms int[] not null,                   -- cumulative time in view
    section_flags smallint[] not null            -- 1 seen, 2 end seen
) partition by range (fact_day);
-- The rollup reads by flush; rows of a flush lie together, so block ranges find them and cost nearly nothing to keep.
create index view_reports_flush on view_reports using brin (flush_id) with (pages_per_range = 16);

create table clicks (
    shard_key bigint not null,
    fact_day date not null,
    flush_id bigint not null,
    view_id bigint not null,
    page_id bigint not null,
    element_id bigint not null,
    at_ms int not null,                          -- ms since the view began
    x_px int not null,                           -- position in the document
    y_px int not null,
    element_w_px int not null,
    element_h_px int not null,
    viewport_w_px int not null,
    viewport_h_px int not null,
    doc_w_px int not null,
    doc_h_px int not null,
    nth int not null,                            -- 1 for the view's first click on this element, 2 for its second …
    x_frac smallint not null check (x_frac between 0 and 255),  -- position inside the element, 255ths of its box
    y_frac smallint not null check (y_frac between 0 and 255),
    kind smallint not null,
    device smallint not null                     -- of the window at the click; rollups count it under the view's device
) partition by range (fact_day);
create index clicks_flush on clicks using brin (flush_id) with (pages_per_range = 16);

-- Dictionaries (distributed by shard_key, so that a flush writes to one node) -------------------------------------

create table pages (
    shard_key bigint not null,
    page_id bigint not null,
    path text not null,
    primary key (shard_key, page_id)
);

create table elements (
    shard_key bigint not null,
    element_id bigint not null,                  -- also names a section
    parent_id bigint,                            -- nearest known ancestor; null: an anchor of its own
    key text not null,
    primary key (shard_key, element_id)
);

-- The newest boxes of a page as one real visitor's browser laid them out, per device class and width class.
create table layouts (
    shard_key bigint not null,
    page_id bigint not null,
    device smallint not null,
    width_class smallint not null,               -- viewport width div 160
    captured_at timestamptz not null,
    version bigint not null,                     -- hash of the element keys: changes when the page is rebuilt
    title text not null,
    viewport_w_px int not null,
    viewport_h_px int not null,
    doc_w_px int not null,
    doc_h_px int not null,
    element_ids bigint[] not null,
    x_px int[] not null,
    y_px int[] not null,
    w_px int[] not null,
    h_px int[] not null,
    roles smallint[] not null,                   -- collector.ids.Role, + 16 where fixed
    labels text[] not null,                      -- heading text or a control's label; empty where there is none
    section_ids bigint[] not null,
    section_x_px int[] not null,
    section_y_px int[] not null,
    section_w_px int[] not null,
    section_h_px int[] not null,
    section_words int[] not null,
    section_images int[] not null,
    section_titles text[] not null,
    primary key (shard_key, page_id, device, width_class)
);

-- Rollups (derived; distributed by shard_key) ---------------------------------------------------------------------

-- A worker that advances a shard key holds its row: one rollup per key at a time.
create table rollup_locks (
    shard_key bigint primary key
);

-- The latest state of each recent view, so that late reports replace what they correct. Pruned days after its last change.
create table view_states (
    shard_key bigint not null,
    view_id bigint not null,
    visitor_key bigint not null,
    page_id bigint not null,
    device smallint not null,
    local_day date not null,
    started_at timestamptz not null,
    seq int not null,
    active_ms int not null,
    engaged_ms int not null,
    viewport_h_px int not null,
    doc_h_px int not null,
    depth_px int not null,
    depth_doc_h_px int not null,
    clicks int not null,
    exit_section_id bigint,
    section_ids bigint[] not null,
    section_ms int[] not null,
    section_flags smallint[] not null,
    changed_at timestamptz not null,
    primary key (shard_key, view_id)
) with (fillfactor = 70);
-- Sessions are found from all views of one visitor.
create index view_states_visitor on view_states (shard_key, visitor_key);

-- Click cells: parts are appended and now and then merged into one; a reader adds up all parts.
create table rollup_clicks (
    shard_key bigint not null,
    page_id bigint not null,
    local_day date not null,
    device smallint not null,
    part_id bigint not null,                     -- highest flush_id inside
    clicks bigint not null,
    cells bytea not null,                        -- heatmap.grid.pack_cells
    primary key (shard_key, page_id, local_day, device, part_id)
);

-- Figures of a page and day; page_id 0 is the whole site.
create table rollup_pages (
    shard_key bigint not null,
    page_id bigint not null,
    local_day date not null,
    device smallint not null,
    views bigint not null default 0,
    visitors bigint not null default 0,
    sessions bigint not null default 0,          -- sessions with a view of this page
    entries bigint not null default 0,           -- sessions that began here
    bounces bigint not null default 0,           -- of the entries
    clicks bigint not null default 0,
    engaged_ms bigint not null default 0,        -- sum over views; pages are ranked by it
    fold_sum_px bigint not null default 0,       -- sum of viewport heights over views
    engaged bytea not null default '',           -- heatmap.grid.pack_histogram, bins of 100 ms, one count per view
    depth bytea not null default '',             -- bins of 1/1000 of the document, views of pages taller than the viewport
    depth_fitting bytea not null default '',     -- the same for views whose page fits the viewport
    primary key (shard_key, page_id, local_day, device)
);
-- A site's list of pages reads all pages of a few days.
create index rollup_pages_days on rollup_pages (shard_key, local_day);

create table rollup_sections (
    shard_key bigint not null,
    page_id bigint not null,
    local_day date not null,
    device smallint not null,
    section_id bigint not null,
    seen_views bigint not null default 0,
    time_ms bigint not null default 0,           -- sum over all views, seen or not
    exits bigint not null default 0,
    seen_time bytea not null default '',         -- bins of 100 ms: time in view of the views that saw it
    end_time bytea not null default '',          -- the same of the views that also saw its end
    primary key (shard_key, page_id, local_day, device, section_id)
);
