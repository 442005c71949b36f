-- Is the sample of each domain large enough for a proxy that repeats data as the target run will?
-- $tokens (count) = 20B: tokens of the target run
-- $proxy_tokens (count) = 100M: tokens of the proxy
select
    domain,
    sample_tokens,
    ceil(supply_at(domain, $tokens, $proxy_tokens)) as needed_tokens,
    ceil(sample_lacks(domain, $tokens, $proxy_tokens)) as lacking_tokens
from supply
order by lacking_tokens desc, domain
