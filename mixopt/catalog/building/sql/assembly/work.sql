-- The documents of all domains, on which everything else stands. Splits are numbered: 0 is for
-- training, 1 for validation, 2 for the final test.

-- name: create_work
create temp table placed (
    shard bigint,
    collection varchar,
    source bigint,
    file bigint,
    path varchar,
    format varchar,
    file_bytes bigint,
    modified varchar,
    storage varchar
);

create temp table domain_list (domain integer, name varchar, is_cut boolean);

create temp table taken (
    domain integer,
    shard bigint,
    file bigint,
    document integer,
    split tinyint,
    identity ubigint,
    fingerprint ubigint,
    bytes bigint,
    tokens bigint,
    language varchar,
    compressibility float,
    repetition float
);

-- The documents that proxies see, of domains that they do not see whole.
create temp table chosen (domain integer, shard bigint, document integer, fingerprint ubigint);

-- Documents with near-duplicates: the smallest identity of the group names it.
create temp table near (identity ubigint, leader ubigint);

create temp table contaminated (domain integer, shard bigint, document integer, source integer);

-- name: insert_placed
insert into placed by name select * from rows;

-- name: insert_domain_list
insert into domain_list by name select * from rows;

-- name: insert_sources
insert into sources by name select * from rows;

-- name: insert_files
insert into files
select
    placed.shard,
    placed.collection,
    placed.source,
    placed.path,
    placed.format,
    placed.file_bytes,
    placed.modified,
    placed.storage,
    found."read",
    found.taken,
    found.filtered,
    found.quarantined,
    coalesce(held.content_hash, sha256('0:0')[:16])
from placed
join store.files as found using (file)
left join (
    select file, sha256(concat(count(*), ':', sum(fingerprint)))[:16] as content_hash
    from store.documents
    where file in (select file from placed)
    group by file
) as held using (file)
order by placed.shard;

-- name: insert_quarantine
insert into quarantine
select placed.collection, placed.path, entries.unit, entries.position, entries.reason
from placed
join store.entries as entries using (file)
order by placed.shard, entries.position, entries.unit, entries.reason;

-- name: take_whole
insert into taken
select
    domain_list.domain,
    placed.shard,
    placed.file,
    documents.document,
    case
        when (documents.identity >> 12) / pow(2, 52) < $test then 2
        when (documents.identity >> 12) / pow(2, 52) < $held_out then 1
        else 0
    end,
    documents.identity,
    documents.fingerprint,
    documents.bytes,
    documents.tokens,
    documents.language,
    documents.compressibility,
    documents.repetition
from store.documents as documents
join placed using (file)
join domain_list on domain_list.name = placed.collection;

-- name: create_candidates
-- What conditions see; names with a number sign cannot be those of scores and labels.
create temp view candidates as
select
    "# collection",
    file as "# file",
    fingerprint as "# fingerprint",
    identity as "# identity",
    "# split",
    "# shard" as shard,
    "# path" as path,
    document,
    ['train', 'validation', 'test']["# split" + 1] as split,
    format('{:016x}', identity) as identity,
    bytes,
    tokens,
    language,
    compressibility,
    repetition
    {columns}
from (
    select
        placed.collection as "# collection",
        placed.shard as "# shard",
        placed.path as "# path",
        documents.*,
        case
            when (documents.identity >> 12) / pow(2, 52) < (select test_share from catalog_info)
                then 2
            when (documents.identity >> 12) / pow(2, 52)
                < (select test_share + validation_share from catalog_info)
                then 1
            else 0
        end as "# split"
    from measured as documents
    join placed using (file)
);

-- name: take_where
insert into taken
select
    $domain,
    shard,
    "# file",
    document,
    "# split",
    "# identity",
    "# fingerprint",
    bytes,
    tokens,
    language,
    compressibility,
    repetition
from (from candidates where list_contains($collections::varchar[], "# collection"))
where (
    {condition}
);

-- name: find_overlaps
with cut as (
    select taken.shard, taken.document, domain_list.name
    from taken
    join domain_list using (domain)
    where domain_list.is_cut
)
select first_name, last_name, count(*) as documents
from (
    select min(name) as first_name, max(name) as last_name
    from cut
    group by shard, document
    having count(*) > 1
)
group by all
order by documents desc, first_name, last_name
limit 3;

-- name: count_training
select domain_list.name, coalesce(found.documents, 0) as documents
from domain_list
left join (
    select domain, count(*) as documents, count(*) filter (where split = 0) as training
    from taken
    group by domain
) as found using (domain)
where coalesce(found.training, 0) = 0
order by domain_list.domain
limit 1;

-- name: count_pieces
select
    coalesce(sum(quarantined), 0)::bigint as pieces,
    (select min(concat(path, ': ', reason)) from quarantine where collection = $name) as first_piece
from files
where collection = $name;

-- name: insert_collections
insert into collections
select
    names.position,
    names.name,
    names.schema,
    coalesce(held.documents, 0),
    coalesce(held.bytes, 0),
    coalesce(held.tokens, 0),
    coalesce(held.documents, 0) - coalesce(used.documents, 0),
    coalesce(held.tokens, 0) - coalesce(used.tokens, 0)
from rows as names
left join (
    select placed.collection as name, count(*) as documents, sum(bytes) as bytes, sum(tokens) as tokens
    from store.documents
    join placed using (file)
    where placed.collection in (select name from rows)
    group by placed.collection
) as held using (name)
left join (
    select placed.collection as name, count(*) as documents, sum(taken.tokens) as tokens
    from taken
    join placed using (shard)
    where placed.collection in (select name from rows)
    group by placed.collection
) as used using (name);

-- name: checkpoint
-- The file alone is put in place: nothing may be left beside it, and closing tells of no failure.
checkpoint;
