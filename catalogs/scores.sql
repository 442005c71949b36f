-- How are the scores of documents spread in each domain, and what share of documents have one?
select
    scores.domain,
    scores.score,
    scores.documents,
    round(scores.documents / domains.documents, 4) as share,
    round(scores.mean, 4) as mean,
    round(scores.standard_deviation, 4) as standard_deviation,
    scores.least, scores.p10, scores.p50, scores.p90, scores.most
from score_summaries as scores
join domains on domains.name = scores.domain
order by score, p50 desc, scores.domain
