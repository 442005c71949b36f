-- What became of all documents that were read: taken, filtered or quarantined?
select
    collection,
    format,
    count(*) as files,
    sum("read") as "read",
    sum(taken) as taken,
    sum(filtered) as filtered,
    sum(quarantined) as quarantined,
    round(100 * sum(taken) / nullif(sum("read"), 0), 2) as taken_percent
from files
group by collection, format
order by collection, format
