-- Statements that fill a new catalog; every parameter of an insert is a list, one item a row.

-- name: insert_info
insert into catalog_info
select
    unnest($name::varchar[]),
    unnest($tokenizer::varchar[]),
    unnest($tokenizer_digest::varchar[]),
    unnest($content_hash::varchar[]),
    unnest($recipe_file::varchar[]),
    unnest($recipe_digest::varchar[]),
    unnest($validation_share::double[]),
    unnest($test_share::double[]);

-- name: insert_domains
insert into domains
select
    unnest($position::integer[]),
    unnest($name::varchar[]),
    unnest($provenance::varchar[]),
    unnest($licence::varchar[]),
    unnest($schema::varchar[]),
    unnest($shards::bigint[]),
    unnest($documents::bigint[]),
    unnest($bytes::bigint[]),
    unnest($tokens::bigint[]),
    unnest($sample_tokens::bigint[]),
    unnest($unique_tokens::bigint[]),
    unnest($supply_tokens::bigint[]),
    unnest($supply_declared::boolean[]),
    unnest($duplicate_share::double[]),
    unnest($quarantined::bigint[]),
    unnest($content_hash::varchar[]);

-- name: insert_sources
insert into sources
select
    unnest($source::bigint[]),
    unnest($domain::varchar[]),
    unnest($reader::varchar[]),
    unnest($options::varchar[]);

-- name: insert_shards
insert into shards
select
    unnest($shard::bigint[]),
    unnest($domain::varchar[]),
    unnest($source::bigint[]),
    unnest($path::varchar[]),
    unnest($format::varchar[]),
    unnest($file_bytes::bigint[]),
    unnest($documents::bigint[]),
    unnest($bytes::bigint[]),
    unnest($tokens::bigint[]),
    unnest($duplicate_share::double[]),
    unnest($content_hash::varchar[]);

-- name: insert_shard_splits
insert into shard_splits
select
    unnest($shard::bigint[]),
    unnest($domain::varchar[]),
    unnest($split::varchar[]),
    unnest($documents::bigint[]),
    unnest($bytes::bigint[]),
    unnest($tokens::bigint[]);

-- name: insert_length_histograms
insert into length_histograms
select
    unnest($shard::bigint[]),
    unnest($domain::varchar[]),
    unnest($log2_bytes::integer[]),
    unnest($documents::bigint[]);

-- name: insert_quarantine
insert into quarantine
select
    unnest($domain::varchar[]),
    unnest($path::varchar[]),
    unnest($unit::varchar[]),
    unnest($position::bigint[]),
    unnest($reason::varchar[]);
