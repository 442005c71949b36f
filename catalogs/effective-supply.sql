-- How much of each domain is left when duplicates and near-duplicates count once?
select
    name as domain,
    train_tokens,
    unique_tokens,
    effective_tokens,
    round(100 * (1 - effective_tokens / nullif(train_tokens, 0)), 2) as lost_percent,
    round(100 * duplicate_share, 2) as duplicate_percent,
    round(100 * near_duplicate_share, 2) as near_duplicate_percent
from domains
order by lost_percent desc nulls last, domain
