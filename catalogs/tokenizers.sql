-- How many tokens is each domain in each tokenizer?
select
    domain,
    tokenizer,
    token_counts.tokens,
    round(bytes / nullif(token_counts.tokens, 0), 3) as bytes_per_token
from token_counts
join domains on domains.name = domain
order by domain, tokenizer
