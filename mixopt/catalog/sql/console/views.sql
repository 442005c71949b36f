-- Views over a catalog for users' queries. Comments under a name, and after columns, go to `dictionary`.

-- name: view_supply
-- What each domain supplies to the target run, the largest first
create temp view supply as
select
    name as domain,
    provenance,
    schema,
    supply_tokens,                  -- unique tokens of the target run
    supply_tokens / sum(supply_tokens) over () as share,    -- of the supply of all domains
    supply_declared,                -- by the recipe; else measured
    sample_tokens,                  -- what proxies can be trained on
    unique_tokens,                  -- of the train split, every document once
    effective_tokens                -- likewise, one of every group of near-duplicates
from domains
order by supply_tokens desc, domain;

-- name: view_domain_splits
-- What each domain holds in each split
create temp view domain_splits as
select
    domain,
    split,
    count(*) filter (documents > 0) as shards,  -- that have documents in the split
    sum(documents)::bigint as documents,
    sum(bytes)::bigint as bytes,
    sum(tokens)::bigint as tokens
from shard_splits
group by domain, split
order by domain, split;

-- name: meanings
create temp table meanings as
select unnest($relations::varchar[]) as relation, unnest($names::varchar[]) as name,
       unnest($meanings::varchar[]) as meaning;

-- name: view_dictionary
-- Every table, view, column and function that a query can use, and what it is
create temp view dictionary as
with columns as (
    select table_name as relation, column_index, column_name as name, data_type as type
    from duckdb_columns()
    where not internal and database_name in (current_database(), 'temp')
      and table_name not in ('meanings', 'schema_version')
),
everything as (
    select 'table' as kind, relation, 0 as place, null as name, null as type
    from columns
    group by relation
    union all
    select 'column', relation, column_index, name, type
    from columns
    union all
    select 'function', null, 0, function_name || '(' || array_to_string(parameters, ', ') || ')', null
    from duckdb_functions()
    where database_name = 'temp' and function_type = 'macro'
)
select
    kind,                           -- table, column or function
    everything.relation,            -- table or view
    everything.name,
    type,
    meaning
from everything
left join meanings
  on meanings.relation is not distinct from everything.relation
 and meanings.name is not distinct from split_part(everything.name, '(', 1)
order by everything.relation, place, everything.name;
