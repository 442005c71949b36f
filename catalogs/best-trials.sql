-- Which trials did best, and by how much more than chance? (--study)
-- $measure (text) = bits_per_byte: the measure
-- $subject (text) = mean: what it is measured on
-- $direction (text) = minimize: or maximize
select
    study, phase, trial, label, stage,
    round(value, 4) as value,
    round(standard_error, 4) as standard_error,
    seeds
from results
where measure = $measure and subject = $subject and is_last
order by case when $direction = 'maximize' then -value else value end, trial
limit 20
