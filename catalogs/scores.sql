-- How are the scores of documents spread in each domain?
select
    domain,
    score,
    documents,
    round(mean, 4) as mean,
    round(standard_deviation, 4) as standard_deviation,
    least, p10, p50, p90, most
from score_summaries
order by score, p50 desc, domain
