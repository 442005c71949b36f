-- How many tokens has each label, such as a topic, in each domain?
select
    label,
    value,
    domain,
    documents,
    tokens,
    round(100 * tokens / sum(tokens) over (partition by domain, label), 2) as percent_of_domain
from label_counts
order by label, tokens desc, value, domain
limit 200
