-- The snapshots of a catalog, carried on from the file that is replaced.

-- name: carry_snapshots
insert into snapshots by name select * from previous.snapshots;
insert into snapshot_domains by name select * from previous.snapshot_domains;

-- name: read_newest
select number, snapshot from snapshots order by number desc limit 1;

-- name: carry_shard_history
insert into shard_history by name select * from previous.shard_history;

-- name: insert_snapshot
insert into snapshots
select
    $number,
    catalog_info.content_hash,
    $built_at,
    catalog_info.recipe_digest,
    catalog_info.tokenizer,
    catalog_info.tokenizer_digest,
    (select count(*) from shards),
    (select sum(documents) from domains),
    (select sum(bytes) from domains),
    (select sum(tokens) from domains)
from catalog_info;

-- name: insert_snapshot_domains
insert into snapshot_domains
select $number, name, content_hash, documents, tokens, supply_tokens
from domains
order by position;

-- name: insert_shard_history
-- Versions that are still there stay open, those that are gone are closed, new ones begin.
insert into shard_history
with present as (
    select domain, path, content_hash, sum(documents) as documents, sum(tokens) as tokens
    from shards
    group by domain, path, content_hash
)
select
    domain,
    path,
    content_hash,
    coalesce(old.documents, present.documents),
    coalesce(old.tokens, present.tokens),
    coalesce(old.since, $number),
    case when old.domain is not null and present.domain is null then $number end
from present
full join earlier_shards as old using (domain, path, content_hash)
order by domain, path;

-- name: begin_history
create temp table earlier_shards as select * from shard_history limit 0;

-- name: open_history
create temp table earlier_shards as select * from previous.shard_history where until is null;
insert into shard_history by name select * from previous.shard_history where until is not null;
