-- The documents that proxies see.

-- name: read_sizes
select
    domain_list.domain,
    domain_list.name,
    coalesce(sum(tokens) filter (where split = 0), 0)::bigint as train,
    coalesce(sum(tokens) filter (where split = 1), 0)::bigint as validation,
    coalesce(sum(tokens) filter (where split = 2), 0)::bigint as test
from domain_list
join taken using (domain)
group by all
order by domain_list.domain;

-- name: choose_sample
-- Every document has a place on a line: the training tokens of its domain that stand before it.
-- Windows of `share` x `period` tokens are put on that line, one every `period`, from `beginning`.
insert into chosen
with sizes as (
    select domain, shard, coalesce(sum(tokens) filter (where split = 0), 0) as tokens
    from taken
    where domain in (select domain from rows)
    group by domain, shard
), lying as (
    select
        domain,
        shard,
        tokens,
        sum(tokens) over (partition by domain order by shard) - tokens as place
    from sizes
), met as (  -- shards that a window may touch; the others need not be looked at
    select domain, shard, place, shares, period, beginning
    from lying
    join rows using (domain)
    where fmod(place - beginning + period, period) < list_max(shares) * period
        or fmod(place - beginning + period, period) + tokens >= period
), standing as (
    select
        met.domain,
        met.shard,
        taken.document,
        taken.fingerprint,
        shares[taken.split + 1] as share,
        period,
        beginning,
        place + coalesce(
            sum(case when taken.split = 0 then taken.tokens else 0 end) over (
                partition by met.domain, met.shard
                order by taken.document
                rows between unbounded preceding and 1 preceding
            ),
            0
        ) as place
    from taken
    join met on met.domain = taken.domain and met.shard = taken.shard
)
select domain, shard, document, fingerprint
from standing
where fmod(place - beginning + period, period) < share * period;

-- name: find_empty_samples
select name
from domain_list
where list_contains($domains::integer[], domain)
    and domain not in (
        select domain from chosen join taken using (domain, shard, document) where taken.split = 0
    )
order by domain
limit 1;

-- name: choose_rest
-- Domains that are cut from collections are listed document by document, even where none is left out.
insert into chosen
select taken.domain, taken.shard, taken.document, taken.fingerprint
from taken
join domain_list using (domain)
where domain_list.is_cut and taken.domain not in (select domain from chosen);

-- name: insert_members
insert into members
select
    domain_list.name,
    shard,
    string_agg(concat(repeat('0', document - before - 1), '1'), '' order by document)::bit,
    sha256(concat(count(*), ':', sum(fingerprint)))[:16]
from (
    select
        domain,
        shard,
        document,
        fingerprint,
        lag(document, 1, -1) over (partition by domain, shard order by document) as before
    from chosen
)
join domain_list using (domain)
group by domain, domain_list.name, shard
order by domain, shard;
