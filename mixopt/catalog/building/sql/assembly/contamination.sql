-- Training documents that share n-grams with held-out documents and with protected texts.

-- name: create_held_grams
create temp table held_grams as
select gram, domain, count(*) as documents
from (
    select taken.domain, unnest(documents.grams) as gram
    from taken
    join store.documents as documents
        on documents.file = taken.file and documents.document = taken.document
    where taken.split <> 0 and documents.grams is not null
)
group by gram, domain;

-- name: create_hits
create temp table hits as
select *
from (
    select taken.domain, taken.shard, taken.document, unnest(documents.grams) as gram
    from taken
    join store.documents as documents
        on documents.file = taken.file and documents.document = taken.document
    where taken.split = 0 and documents.grams is not null
)
where gram in (select gram from held_grams);

-- name: insert_contaminated
insert into contaminated
with rare as (
    select gram
    from (
        select gram, count(*) as documents from hits group by gram
        union all
        select gram, sum(documents) as documents from held_grams group by gram
    )
    group by gram
    having sum(documents) <= $most_documents
)
select distinct hits.domain, hits.shard, hits.document, held_grams.domain
from hits
join rare using (gram)
join held_grams using (gram);

-- name: drop_grams
drop table hits;
drop table held_grams;

-- name: insert_contaminations
insert into contaminations
select domain_list.name, concat('held-out: ', held.name), count(*), sum(taken.tokens)
from contaminated
join taken using (domain, shard, document)
join domain_list using (domain)
join domain_list as held on held.domain = contaminated.source
group by contaminated.domain, domain_list.name, contaminated.source, held.name
order by contaminated.domain, contaminated.source;

-- name: insert_protected
insert into contaminations
select domain_list.name, found.source, count(*), sum(found.tokens)
from (
    select taken.domain, taken.tokens, unnest(list_distinct(documents.protected)) as source
    from taken
    join store.documents as documents
        on documents.file = taken.file and documents.document = taken.document
    where taken.split = 0 and len(documents.protected) > 0
) as found
join domain_list using (domain)
group by found.domain, domain_list.name, found.source
order by found.domain, found.source;

-- name: read_contaminated
select domain, count(*) as documents
from (select distinct domain, shard, document from contaminated)
group by domain;

-- name: read_protected
select taken.domain, count(*) as documents
from taken
join store.documents as documents on documents.file = taken.file and documents.document = taken.document
where taken.split = 0 and len(documents.protected) > 0
group by taken.domain;
