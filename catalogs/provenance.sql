-- How much is organic, curated, augmented or synthetic?
select
    provenance,
    schema,
    count(*) as domains,
    human(sum(supply_tokens)) as supply,
    round(100 * sum(supply_tokens) / sum(sum(supply_tokens)) over (), 2) as percent
from domains
group by provenance, schema
order by sum(supply_tokens) desc, provenance, schema
