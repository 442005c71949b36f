-- How much is there under each licence?
select
    licence,
    count(*) as domains,
    human(sum(supply_tokens)) as supply,
    round(100 * sum(supply_tokens) / sum(sum(supply_tokens)) over (), 2) as percent,
    array_to_string(list(name order by supply_tokens desc, name)[1:5], ', ') as largest_domains
from domains
group by licence
order by sum(supply_tokens) desc, licence
