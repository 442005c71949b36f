-- Questions that the rest of mixopt asks a catalog.

-- name: read_info
select name, tokenizer, tokenizer_digest, content_hash, validation_share, test_share
from catalog_info;

-- name: read_domains
select
    name, provenance, schema, licence, supply_tokens, sample_tokens, documents,
    bytes as num_bytes, content_hash
from domains
order by position;

-- name: read_shards
select domain, path, format, bytes as num_bytes, documents, tokens, content_hash
from shards
where domain = $domain
order by shard;

-- name: read_shards_of_split
select shards.path, shards.file_bytes, shards.documents, shards.content_hash, sources.options
from shards
join sources using (source)
join shard_splits using (shard)
where shards.domain = $domain and shard_splits.split = $split and shard_splits.documents > 0
order by shards.shard;
