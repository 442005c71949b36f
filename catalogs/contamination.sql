-- Which domains hold text of evaluations or of held-out documents?
select
    domain,
    contaminations.source,
    contaminations.documents,
    contaminations.tokens,
    round(100 * contaminations.tokens / nullif(train_tokens, 0), 3) as percent_of_train_tokens
from contaminations
join domains on domains.name = domain
order by percent_of_train_tokens desc nulls last, domain, contaminations.source
