-- Scores of a proxy, attached to documents by identity.

-- name: create_incoming
create temp table incoming (identity ubigint, value double);

-- name: insert_incoming
insert into incoming by name select * from rows;

-- name: keep_incoming
create temp table {table} as select * from incoming;
truncate incoming;

-- name: create_measured
-- What is known of documents: what the store says, and the attached scores as further columns.
create temp view measured as
select documents.* {columns}
from store.documents as documents
{joins};

-- name: create_seen
-- The documents that proxies see.
create temp view seen as
select * from taken semi join chosen using (domain, shard, document)
union all
select * from taken where domain not in (select domain from chosen);

-- name: insert_proxy_scores
insert into proxy_scores
select domain_list.name, $name, found.identity, scores.value
from (select distinct domain, identity from seen) as found
join {table} as scores using (identity)
join domain_list using (domain)
order by found.domain, found.identity;

-- name: digest_scores
select
    domain,
    score,
    count(*) as documents,
    sum(concat('0x', sha256(concat(identity, ':', value))[:16])::ubigint)::varchar as digests
from proxy_scores
group by all
order by all;

-- name: count_missing
select wanted.name, found.domain, found.documents - coalesce(held.documents, 0) as documents
from (select unnest($names::varchar[]) as name) as wanted
cross join (
    select seen.domain, domain_list.name, count(distinct seen.identity) as documents
    from seen
    join domain_list using (domain)
    group by all
) as found
left join (
    select domain, score, count(*) as documents from proxy_scores group by all
) as held on held.domain = found.name and held.score = wanted.name
where found.documents > coalesce(held.documents, 0)
order by all;
