-- What did the last build change in each domain?
with last as (
    select number, lag(number) over (order by number) as before
    from snapshots
    qualify number = max(number) over ()
),
now as (select * from snapshot_domains where number = (select number from last)),
earlier as (select * from snapshot_domains where number = (select before from last))
select
    domain,
    case
        when earlier.domain is null then 'new'
        when now.domain is null then 'gone'
        else 'changed'
    end as change,
    coalesce(now.documents, 0) - coalesce(earlier.documents, 0) as documents,
    coalesce(now.tokens, 0) - coalesce(earlier.tokens, 0) as tokens,
    (select count(*) from shard_history as h
     where h.domain = domain_of.domain and h.since = (select number from last)) as files_that_came,
    (select count(*) from shard_history as h
     where h.domain = domain_of.domain and h.until = (select number from last)) as files_that_went
from (select domain from now union select domain from earlier) as domain_of
left join now using (domain)
left join earlier using (domain)
where now.content_hash is distinct from earlier.content_hash
   or now.supply_tokens is distinct from earlier.supply_tokens
order by domain
