-- Which snapshot of the catalog did the trials see, and is it the one at hand? (--study)
select
    study,
    trials.snapshot,
    snapshots.number,
    built_at,
    count(*) as trials,
    trials.snapshot = (select content_hash from catalog_info) as is_at_hand
from trials
left join snapshots on snapshots.snapshot = trials.snapshot
group by study, trials.snapshot, snapshots.number, built_at
order by study, number
