-- Does the supply suffice for a target run, and how many tokens can it give at most?
-- $tokens (count) = 20B: tokens of the target run
-- $epochs (number) = 4: most epochs of a domain
select
    human($tokens) as wanted,
    human(sum(supply_tokens)) as supply,
    round($tokens / sum(supply_tokens), 3) as epochs,
    human(sum(tokens_for(domain, $epochs))) as most_tokens,
    $tokens <= sum(tokens_for(domain, $epochs)) as suffices
from supply
