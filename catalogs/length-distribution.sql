-- How long are the documents of each domain? (A class holds lengths from `from_bytes` to twice that.)
select
    domain,
    (1::bigint << log2_bytes) as from_bytes,
    sum(documents) as documents,
    round(100 * sum(documents) / sum(sum(documents)) over (partition by domain), 2) as percent
from length_histograms
group by domain, log2_bytes
order by domain, log2_bytes
