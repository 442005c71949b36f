-- Statistics of shards and domains. Means are sums of whole billionths, so that the order in which
-- threads add them does not show.

-- name: insert_shards
insert into shards
with totals as (
    select
        domain,
        shard,
        count(*) as documents,
        sum(bytes) as bytes,
        sum(tokens) as tokens,
        count(language) as profiled_documents,
        sum(round(compressibility * 1e9)::bigint) / 1e9 / count(compressibility) as compressibility,
        sum(round(repetition * 1e9)::bigint) / 1e9 / count(repetition) as repetition,
        sha256(concat(count(*), ':', sum(fingerprint)))[:16] as content_hash
    from taken
    group by domain, shard
), distinct_ones as (
    select domain, shard, count(*) as documents
    from (select distinct domain, shard, identity from taken)
    group by domain, shard
), spoken as (
    select domain, shard, max_by(language, (documents, language)) as language
    from (
        select domain, shard, language, count(*) as documents
        from taken
        where language is not null
        group by all
    )
    group by domain, shard
)
select
    domain_list.name,
    totals.shard,
    placed.path,
    placed.format,
    placed.file_bytes,
    totals.documents,
    totals.bytes,
    totals.tokens,
    1 - distinct_ones.documents / totals.documents,
    totals.profiled_documents,
    totals.compressibility,
    totals.repetition,
    spoken.language,
    totals.content_hash
from totals
join distinct_ones using (domain, shard)
left join spoken using (domain, shard)
join placed using (shard)
join domain_list using (domain)
order by totals.domain, totals.shard;

-- name: insert_shard_splits
insert into shard_splits
select
    domain_list.name,
    shard,
    ['train', 'validation', 'test'][split + 1],
    count(*),
    sum(bytes),
    sum(tokens)
from taken
join domain_list using (domain)
group by domain, domain_list.name, shard, split
order by domain, shard, split;

-- name: insert_length_histograms
insert into length_histograms
select domain_list.name, shard, floor(log2(greatest(bytes, 1))) as log2_bytes, count(*)
from taken
join domain_list using (domain)
group by domain, domain_list.name, shard, log2_bytes
order by domain, shard, log2_bytes;

-- name: insert_languages
insert into languages
select domain_list.name, language, count(*) as documents, sum(bytes)
from taken
join domain_list using (domain)
where language is not null
group by domain, domain_list.name, language
order by domain, documents desc, language;

-- name: insert_token_counts
insert into token_counts
select domain_list.name, $tokenizer, $tokenizer_digest, sum(tokens)
from taken
join domain_list using (domain)
group by domain, domain_list.name
order by domain;

-- name: insert_further_token_counts
insert into token_counts
select domain_list.name, $tokenizer, $tokenizer_digest, sum(documents.further_tokens[$number])
from taken
join store.documents as documents on documents.file = taken.file and documents.document = taken.document
join domain_list using (domain)
group by domain, domain_list.name
order by domain;

-- name: insert_score_summaries
insert into score_summaries
with scored as (
    select taken.domain, documents.{score} as value, count(*) as documents
    from taken
    join measured as documents
        on documents.file = taken.file and documents.document = taken.document
    where documents.{score} is not null
    group by all
), ranked as (
    select
        domain,
        value,
        documents,
        sum(documents) over (partition by domain order by value) as up_to,
        sum(documents) over (partition by domain) as total
    from scored
), centred as (
    select domain, fsum(value * documents) / any_value(total) as mean
    from ranked
    group by domain
)
select
    domain_list.name,
    $name,
    any_value(total),
    any_value(mean),
    case
        when any_value(total) > 1
            then sqrt(fsum(documents * pow(value - mean, 2)) / (any_value(total) - 1))
    end,
    min(value),
    min(value) filter (where up_to >= 0.1 * total),
    min(value) filter (where up_to >= 0.5 * total),
    min(value) filter (where up_to >= 0.9 * total),
    max(value)
from ranked
join centred using (domain)
join domain_list using (domain)
group by domain, domain_list.name
order by domain;

-- name: insert_label_counts
insert into label_counts
select name, $name, value, documents, tokens
from (
    select
        taken.domain,
        domain_list.name,
        documents.{label} as value,
        count(*) as documents,
        sum(taken.tokens) as tokens
    from taken
    join store.documents as documents
        on documents.file = taken.file and documents.document = taken.document
    join domain_list using (domain)
    where documents.{label} is not null
    group by all
)
qualify row_number() over (partition by domain order by documents desc, value) <= $most_values
order by domain, documents desc, value;

-- name: read_domain_facts
with totals as (
    select
        domain,
        count(*) as documents,
        sum(bytes)::bigint as bytes,
        sum(tokens)::bigint as tokens,
        count(*) filter (where split = 0) as train_documents,
        coalesce(sum(tokens) filter (where split = 0), 0)::bigint as train_tokens,
        sum(fingerprint)::varchar as fingerprints,
        count(language) as profiled_documents,
        sum(round(compressibility * 1e9)::bigint) / 1e9 / count(compressibility) as compressibility,
        sum(round(repetition * 1e9)::bigint) / 1e9 / count(repetition) as repetition
    from taken
    group by domain
), seen as (
    select
        domain,
        count(*) as sample_documents,
        sum(bytes)::bigint as sample_bytes,
        coalesce(sum(tokens) filter (where split = 0), 0)::bigint as sample_tokens,
        sum(taken.fingerprint)::varchar as sample_fingerprints
    from taken
    join chosen using (domain, shard, document)
    group by domain
), files_of as (
    select domain, count(*) as shards
    from (select distinct domain, shard from taken)
    group by domain
), broken as (
    select domain_list.domain, sum(files.quarantined)::bigint as quarantined
    from files
    join domain_list on domain_list.name = files.collection
    group by domain_list.domain
), distinct_ones as (
    select
        domain,
        count(*) as identities,
        coalesce(sum(tokens) filter (where split = 0), 0)::bigint as unique_tokens
    from distinct_documents
    group by domain
), different as (
    select domain, count(*) as groups, coalesce(sum(tokens), 0)::bigint as effective_tokens
    from (
        select domain, leader, min_by(tokens, identity) filter (where split = 0) as tokens
        from distinct_documents
        group by domain, leader
    )
    group by domain
), lengths as (
    select domain, min(bytes) filter (where up_to >= 0.5 * total) as median_bytes
    from (
        select
            domain,
            bytes,
            sum(documents) over (partition by domain order by bytes) as up_to,
            sum(documents) over (partition by domain) as total
        from (select domain, bytes, count(*) as documents from taken group by all)
    )
    group by domain
), spoken as (
    select
        name,
        max_by(language, (documents, language)) as language,
        max(documents) / sum(documents) as language_share
    from (select domain as name, language, documents from languages)
    group by name
)
select
    domain_list.domain,
    domain_list.name,
    totals.* exclude (domain),
    coalesce(seen.sample_documents, totals.documents) as sample_documents,
    coalesce(seen.sample_bytes, totals.bytes) as sample_bytes,
    coalesce(seen.sample_tokens, totals.train_tokens) as sample_tokens,
    coalesce(seen.sample_fingerprints, totals.fingerprints) as sample_fingerprints,
    files_of.shards,
    coalesce(broken.quarantined, 0) as quarantined,
    distinct_ones.identities,
    distinct_ones.unique_tokens,
    different.groups,
    different.effective_tokens,
    lengths.median_bytes,
    spoken.language,
    spoken.language_share
from domain_list
join totals using (domain)
left join seen using (domain)
join files_of using (domain)
left join broken using (domain)
join distinct_ones using (domain)
join different using (domain)
join lengths using (domain)
left join spoken using (name)
order by domain_list.domain;

-- name: insert_domains
insert into domains by name select * from rows;

-- name: insert_info
insert into catalog_info by name select * from rows;

-- name: set_content_hash
update catalog_info set content_hash = $content_hash;

-- name: insert_documents
insert into documents
with few as (
    select
        domain,
        unnest(
            arg_min(
                {'shard': shard, 'file': file, 'document': document, 'split': split,
                 'identity': identity, 'bytes': bytes, 'tokens': tokens, 'language': language,
                 'compressibility': compressibility, 'repetition': repetition,
                 'fingerprint': fingerprint},
                (fingerprint, shard, document),
                $most
            ),
            max_depth := 2
        )
    from taken
    group by domain
), equal as (
    select identity, count(*) as documents
    from taken
    where identity in (select identity from few)
    group by identity
), groups as (
    select near.leader, sum(distinct_documents.documents) as documents
    from near
    join distinct_documents using (identity)
    where near.leader in (select leader from near where identity in (select identity from few))
    group by near.leader
), touched as (
    select distinct shard, document, true as contaminated
    from contaminated
)
select
    domain_list.name,
    few.shard,
    few.document,
    ['train', 'validation', 'test'][few.split + 1],
    format('{:016x}', few.identity),
    few.bytes,
    few.tokens,
    few.language,
    few.compressibility,
    few.repetition,
    equal.documents,
    coalesce(groups.documents - equal.documents, 0),
    case when $contamination and few.split = 0 then coalesce(touched.contaminated, false) end,
    held.protected,
    map_from_entries(
        list_filter(list_zip($scores::varchar[], {scores}::double[]), lambda pair: pair[2] is not null)
    ),
    map_from_entries(
        list_filter(list_zip($labels::varchar[], {labels}::varchar[]), lambda pair: pair[2] is not null)
    ),
    held.excerpt
from few
join domain_list using (domain)
join measured as held on held.file = few.file and held.document = few.document
join equal on equal.identity = few.identity
left join near on near.identity = few.identity
left join groups on groups.leader = near.leader
left join touched on touched.shard = few.shard and touched.document = few.document
order by few.domain, few.fingerprint, few.shard, few.document;
