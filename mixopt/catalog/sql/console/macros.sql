-- Functions for users' queries. The comment under a name is what `dictionary` says of it. Columns in
-- their subqueries have names that no argument has, which would else be taken for the column.

-- name: macro_count
-- A count as people write it: count_of('1.5B') is 1500000000.0
create temp macro count_of(written) as
    regexp_extract(written::varchar, '^\s*([0-9.eE+_]+?)\s*([kKmMbBgGtT]?)\s*$', 1)
        .replace('_', '')::double
    * case upper(regexp_extract(written::varchar, '([kKmMbBgGtT]?)\s*$', 1))
        when 'K' then 1e3 when 'M' then 1e6 when 'B' then 1e9 when 'G' then 1e9 when 'T' then 1e12
        else 1
    end;

-- name: macro_human
-- A count with three digits and a unit: human(1500000000) is '1.5B'
create temp macro human(number) as
    case
        when abs(number) >= 999.5e9 then format('{:.3g}T', number / 1e12)
        when abs(number) >= 999.5e6 then format('{:.3g}B', number / 1e9)
        when abs(number) >= 999.5e3 then format('{:.3g}M', number / 1e6)
        when abs(number) >= 999.5 then format('{:.3g}K', number / 1e3)
        else format('{:.3g}', number::double)
    end;

-- name: macro_supply_of
-- Unique tokens of the target run in a domain
create temp macro supply_of(domain) as
    (select held.supply_tokens
     from (select name as "name of the held", supply_tokens from domains) as held
     where held."name of the held" = domain);

-- name: macro_epochs
-- How often a target run that trains on so many tokens of a domain sees each of them
create temp macro epochs(domain, tokens) as
    tokens::double / supply_of(domain);

-- name: macro_tokens_for
-- Tokens of a domain that a target run may train on, at so many epochs of it
create temp macro tokens_for(domain, epochs) as
    epochs * supply_of(domain);

-- name: macro_weight_for
-- The largest weight of a domain in a stage of so many tokens, at so many epochs of it, at most 1
create temp macro weight_for(domain, stage_tokens, epochs) as
    least(1.0, epochs * supply_of(domain) / stage_tokens::double);

-- name: macro_natural_weight
-- A domain's share of the supply: its weight in the natural mixture
create temp macro natural_weight(domain) as
    supply_of(domain)::double / (select sum(supply_tokens) from domains);

-- name: macro_supply_at
-- Tokens of a domain that a proxy sees, so that it repeats them as the target run will
create temp macro supply_at(domain, target_tokens, proxy_tokens) as
    supply_of(domain) * proxy_tokens::double / target_tokens;

-- name: macro_sample_lacks
-- Tokens that a domain's sample is short of for such a proxy; 0 where it is large enough
create temp macro sample_lacks(domain, target_tokens, proxy_tokens) as
    greatest(0.0, supply_at(domain, target_tokens, proxy_tokens)
        - (select held.sample_tokens
           from (select name as "name of the held", sample_tokens from domains) as held
           where held."name of the held" = domain));
