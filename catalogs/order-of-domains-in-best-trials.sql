-- When do the best trials see each domain: 0 is the beginning of training, 1 the end? (--study)
-- $measure (text) = bits_per_byte: the measure
-- $subject (text) = mean: what it is measured on
-- $direction (text) = minimize: or maximize
-- $best (number) = 0.25: share of a study's trials that count as best
with ranked as (
    select study, trial,
           row_number() over (
               partition by study
               order by case when $direction = 'maximize' then -value else value end, trial
           ) <= ceil($best * count(*) over (partition by study)) as is_best
    from results
    where measure = $measure and subject = $subject and is_last and phase = 'search'
),
stages as (
    select study, trial, stage_number, sum(tokens) as tokens
    from trial_mixtures
    group by study, trial, stage_number
),
placed as (
    select study, trial, stage_number,
           (sum(tokens) over (partition by study, trial order by stage_number) - tokens / 2)
               / sum(tokens) over (partition by study, trial) as middle
    from stages
)
select
    study,
    domain,
    round(sum(middle * tokens) filter (is_best) / sum(tokens) filter (is_best), 3)
        as middle_of_best,
    round(sum(middle * tokens) / sum(tokens), 3) as middle_of_all
from trial_mixtures
join placed using (study, trial, stage_number)
join ranked using (study, trial)
where tokens > 0
group by study, domain
order by study, middle_of_best nulls last, domain
