-- How is each domain split into train, validation and test?
select
    domain,
    split,
    documents,
    tokens,
    round(100 * tokens / sum(tokens) over (partition by domain), 2) as percent
from domain_splits
order by domain, split
