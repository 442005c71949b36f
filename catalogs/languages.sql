-- Which languages does each domain hold?
select
    domain,
    language,
    documents,
    bytes,
    round(100 * bytes / sum(bytes) over (partition by domain), 2) as percent_of_bytes
from languages
order by domain, bytes desc, language
