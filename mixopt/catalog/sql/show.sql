-- What `mixopt catalog show`, `quarantine` and `snapshots` print.

-- name: show_domains
select
    name as domain, provenance, schema, shards, documents, bytes, tokens, supply_tokens,
    duplicate_share, near_duplicate_share, language, language_share, contaminated_share,
    protected_share, quarantined
from domains
order by position;

-- name: show_domain
select * exclude (position) from domains where name = $domain;

-- name: show_splits
select
    split, sum(documents)::bigint as documents, sum(bytes)::bigint as bytes,
    sum(tokens)::bigint as tokens
from shard_splits
where domain = $domain
group by split
order by list_position(['train', 'validation', 'test'], split);

-- name: show_lengths
select
    log2_bytes, (2 ** log2_bytes)::bigint as from_bytes, sum(documents)::bigint as documents
from length_histograms
where domain = $domain
group by log2_bytes
order by log2_bytes;

-- name: show_languages
select language, documents, bytes, documents / sum(documents) over () as share
from languages
where domain = $domain
order by documents desc, language;

-- name: show_token_counts
select
    tokenizer, token_counts.tokens, token_counts.tokens / nullif(bytes, 0) as tokens_per_byte
from token_counts
join domains on domains.name = token_counts.domain
where token_counts.domain = $domain
order by tokenizer;

-- name: show_scores
select score, documents, mean, standard_deviation, least, p10, p50, p90, most
from score_summaries
where domain = $domain
order by score;

-- name: show_labels
select label, value, documents, tokens, tokens / nullif(sum(tokens) over (partition by label), 0) as share
from label_counts
where domain = $domain
qualify row_number() over (partition by label order by tokens desc, value) <= $most
order by label, tokens desc, value;

-- name: show_overlaps
select other, documents, tokens, token_share
from domain_overlaps
where domain = $domain
order by tokens desc, other;

-- name: show_contaminations
select source, documents, tokens
from contaminations
where domain = $domain
order by documents desc, source;

-- name: show_files
select
    count(*) as files, sum(file_bytes)::bigint as file_bytes, sum("read")::bigint as "read",
    sum(taken)::bigint as taken, sum(filtered)::bigint as filtered,
    sum(quarantined)::bigint as quarantined
from files
where collection = $domain
    or collection in (select unnest(collections) from domains where name = $domain);

-- name: show_excerpts
select
    path, split, documents.bytes, documents.tokens, documents.language, excerpt
from documents
join shards using (domain, shard)
where domain = $domain and excerpt is not null
order by identity
limit $most;

-- name: show_quarantined_files
select collection, count(*) as files, sum(quarantined)::bigint as quarantined
from files
where quarantined > 0 and (
    $domain::varchar is null
    or collection = $domain
    or collection in (select unnest(collections) from domains where name = $domain)
)
group by collection
order by quarantined desc, collection;

-- name: show_reasons
select
    regexp_replace(reason, '\b[0-9]+\b', '#', 'g').replace('UTF-#', 'UTF-8') as reason,
    count(*) as entries,
    count(distinct path) as files, min(path) as path
from quarantine
where $domain::varchar is null
    or collection = $domain
    or collection in (select unnest(collections) from domains where name = $domain)
group by all
order by entries desc, reason;

-- name: show_quarantine
select collection, path, unit, position, reason
from quarantine
where $domain::varchar is null
    or collection = $domain
    or collection in (select unnest(collections) from domains where name = $domain)
order by collection, path, position
limit $most;

-- name: show_snapshots
with versions as (
    select domain, path, since as number, true as begins from shard_history
    union all
    select domain, path, until, false from shard_history where until is not null
),
changes as (
    select number, domain, path, bool_or(begins) as came, bool_or(not begins) as went
    from versions
    group by number, domain, path
)
select
    snapshots.number, snapshot, built_at, tokenizer, shards, documents, bytes, tokens,
    count(*) filter (came and not went) as shards_added,
    count(*) filter (went and not came) as shards_removed,
    count(*) filter (came and went) as shards_changed
from snapshots
left join changes on changes.number = snapshots.number
group by all
order by snapshots.number;

-- name: find_snapshot
select number, snapshot
from snapshots
where snapshot = $snapshot or number = try_cast($snapshot as integer)
order by snapshot = $snapshot desc, number desc
limit 1;

-- name: show_changed_domains
select
    coalesce(before.domain, after.domain) as domain,
    case when before.domain is null then 'added'
         when after.domain is null then 'removed'
         else 'changed' end as change,
    coalesce(after.documents, 0) - coalesce(before.documents, 0) as documents,
    coalesce(after.tokens, 0) - coalesce(before.tokens, 0) as tokens,
    coalesce(after.supply_tokens, 0) - coalesce(before.supply_tokens, 0) as supply_tokens
from (from snapshot_domains where number = $old) as before
full join (from snapshot_domains where number = $new) as after on before.domain = after.domain
where before.content_hash is distinct from after.content_hash
    or before.supply_tokens is distinct from after.supply_tokens
order by domain;

-- name: show_changed_shards
with before as (
    from shard_history where since <= $old and (until is null or until > $old)
),
after as (
    from shard_history where since <= $new and (until is null or until > $new)
)
select
    coalesce(before.domain, after.domain) as domain, coalesce(before.path, after.path) as path,
    case when before.path is null then 'added'
         when after.path is null then 'removed'
         else 'changed' end as change,
    coalesce(after.documents, 0) - coalesce(before.documents, 0) as documents,
    coalesce(after.tokens, 0) - coalesce(before.tokens, 0) as tokens
from before
full join after on before.domain = after.domain and before.path = after.path
where before.content_hash is distinct from after.content_hash
order by domain, path
limit $most;

-- name: find_collection
select 1 from sources where collection = $collection limit 1;
