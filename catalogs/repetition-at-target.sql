-- How often would a target run repeat each domain, if the domain had a given weight?
-- $tokens (count) = 20B: tokens of the target run
-- $weight (number) = 0.1: weight of the domain
select
    domain,
    human($weight * $tokens) as tokens,
    round(epochs(domain, $weight * $tokens), 3) as epochs
from supply
order by epochs desc
