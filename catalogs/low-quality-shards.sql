-- Which shards look worst: repetitive, trivial to compress, or full of duplicates?
select
    domain,
    path,
    documents,
    round(repetition, 3) as repetition,
    round(compressibility, 3) as compressibility,
    round(duplicate_share, 3) as duplicate_share,
    language
from shards
where documents > 0
order by repetition + duplicate_share desc nulls last, compressibility desc, path
limit 50
