-- Which domains share documents with which others?
select domain, other, documents, human(tokens) as tokens, round(100 * token_share, 2) as percent_of_domain
from domain_overlaps
where domain <> other
order by token_share desc, domain, other
limit 100
