-- Equal and nearly equal documents.

-- name: create_bands
create temp table bands as
select
    taken.identity,
    hash(documents.signature[1:8]) as band_1,
    hash(documents.signature[9:16]) as band_2,
    hash(documents.signature[17:24]) as band_3,
    hash(documents.signature[25:32]) as band_4,
    hash(documents.signature[33:40]) as band_5,
    hash(documents.signature[41:48]) as band_6,
    hash(documents.signature[49:56]) as band_7,
    hash(documents.signature[57:64]) as band_8,
    hash(documents.signature[65:72]) as band_9,
    hash(documents.signature[73:80]) as band_10,
    hash(documents.signature[81:88]) as band_11,
    hash(documents.signature[89:96]) as band_12,
    hash(documents.signature[97:104]) as band_13,
    hash(documents.signature[105:112]) as band_14,
    hash(documents.signature[113:120]) as band_15,
    hash(documents.signature[121:128]) as band_16
from taken
join store.documents as documents on documents.file = taken.file and documents.document = taken.document
where documents.signature is not null;

-- name: create_candidate_pairs
create temp table candidate_pairs (leader ubigint, identity ubigint);

-- name: pair_band
-- Every document of a band is compared with one of them only, so that a band that a hundred thousand
-- documents share makes as many pairs, not their square; the smallest identity leads whatever the
-- order of files.
insert into candidate_pairs
with leaders as (
    select {band}, min(identity) as leader
    from bands
    group by {band}
    having min(identity) <> max(identity)
)
select distinct leaders.leader, bands.identity
from bands
join leaders using ({band})
where bands.identity <> leaders.leader;

-- name: read_pairs
with pairs as (
    select distinct leader, identity
    from candidate_pairs
), signed as (
    select identity, any_value(signature) as signature
    from store.documents
    where identity in (select leader from pairs union all select identity from pairs)
        and signature is not null
        and file in (select file from placed)
    group by identity
)
select
    pairs.leader,
    pairs.identity,
    left_document.signature as left_signature,
    right_document.signature as right_signature
from pairs
join signed as left_document on left_document.identity = pairs.leader
join signed as right_document on right_document.identity = pairs.identity;

-- name: drop_pairs
drop table candidate_pairs;
drop table bands;

-- name: insert_near
insert into near by name select * from rows;

-- name: create_distinct
create temp table distinct_documents as
select
    found.domain,
    found.identity,
    coalesce(near.leader, found.identity) as leader,
    found.split,
    found.tokens,
    found.documents,
    found.all_tokens
from (
    select
        domain,
        identity,
        any_value(split) as split,
        min(tokens) as tokens,
        count(*) as documents,
        sum(tokens)::bigint as all_tokens
    from taken
    group by domain, identity
) as found
left join near using (identity);

-- name: insert_overlaps
insert into domain_overlaps
with groups as (
    select leader, domain, sum(documents) as documents, sum(all_tokens) as tokens
    from distinct_documents
    group by leader, domain
), shared as (
    select leader
    from groups
    group by leader
    having count(*) between 2 and $most_domains
), totals as (
    select domain, sum(all_tokens) as tokens
    from distinct_documents
    group by domain
), pairs as (
    select one.domain, other.domain as other, sum(one.documents) as documents, sum(one.tokens) as tokens
    from groups as one
    join shared using (leader)
    join groups as other on other.leader = one.leader and other.domain <> one.domain
    group by all
)
select one.name, other.name, pairs.documents, pairs.tokens, pairs.tokens / greatest(totals.tokens, 1)
from pairs
join totals using (domain)
join domain_list as one using (domain)
join domain_list as other on other.domain = pairs.other
order by pairs.domain, pairs.documents desc, pairs.other;
