-- Which domains hold the most, and what share of the supply is each?
select domain, provenance, human(supply_tokens) as supply, round(100 * share, 2) as percent,
       supply_declared as declared
from supply
limit 50
