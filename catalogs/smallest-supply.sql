-- Which domains run out first in a target run, at their natural weight and at an equal weight?
-- $tokens (count) = 20B: tokens of the target run
-- $epochs (number) = 4: most epochs of a domain
select
    domain,
    human(supply_tokens) as supply,
    round($tokens * share / supply_tokens, 3) as epochs_at_natural_weight,
    round($tokens / count(*) over () / supply_tokens, 3) as epochs_at_equal_weight,
    round(weight_for(domain, $tokens, $epochs), 6) as largest_weight
from supply
order by supply_tokens
limit 50
