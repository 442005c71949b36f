-- Questions that the rest of mixopt asks a catalog.

-- name: read_info
select name, tokenizer, tokenizer_digest, content_hash, validation_share, test_share
from catalog_info;

-- name: read_domains
select
    name, provenance, schema, licence, supply_tokens, sample_tokens,
    sample_documents as documents, sample_bytes as num_bytes, content_hash
from domains
order by position;

-- name: read_shards
select domain, path, format, bytes as num_bytes, documents, tokens, content_hash
from shards
where domain = $domain
order by shard;

-- name: read_attached
select score, identity, value
from proxy_scores
where domain = $domain
order by score, identity;

-- name: read_columns
select recipe_file, profile, (select list(options order by source) from sources) as sources
from catalog_info;

-- name: count_unseen
-- Texts and conversations outside of samples, and of collections those in no domain.
select
    coalesce((
        select sum(documents - sample_documents) from domains where schema <> 'preference'
    ), 0) + coalesce((
        select sum(rest_documents) from collections where schema <> 'preference'
    ), 0) as documents;

-- name: read_taken_files
-- All files, and the schema of the documents in them; those of preferences are left out.
select
    files.path,
    files.file_bytes,
    files.modified,
    files.storage,
    files.taken,
    files.content_hash,
    sources.options,
    null::varchar as members,
    owners.schema
from files
join sources using (source)
join (
    select name, schema from collections
    union all
    select name, schema from domains where len(collections) = 0
) as owners on owners.name = files.collection
where owners.schema <> 'preference'
order by files.shard;

-- name: read_held_files
-- Of domains that stand in `members`, only the files there; of one split, only files that have it.
select
    files.path,
    files.file_bytes,
    files.modified,
    files.storage,
    files.taken,
    coalesce(members.content_hash, files.content_hash) as content_hash,
    sources.options,
    members.documents::varchar as members
from shards
join files using (shard)
join sources using (source)
left join members on members.domain = shards.domain and members.shard = shards.shard
where shards.domain = $domain
    and (
        $split is null
        or shards.shard in (
            select shard from shard_splits where domain = $domain and split = $split
        )
    )
    and (
        members.documents is not null
        or not exists (select 1 from members where domain = $domain)
    )
order by shards.shard;
