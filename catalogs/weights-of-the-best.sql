-- What do the best trials train on, against the mean of all trials? (--study)
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
trial_domains as (
    select ranked.study, ranked.trial, is_best, named.domain, coalesce(doses.share, 0) as share
    from ranked
    join (select distinct study, domain from doses) as named using (study)
    left join doses
      on doses.study = ranked.study and doses.trial = ranked.trial and doses.domain = named.domain
)
select
    study,
    domain,
    round(avg(share) filter (is_best), 4) as weight_of_best,
    round(avg(share), 4) as weight_of_all,
    round(avg(share) filter (is_best) - avg(share), 4) as difference
from trial_domains
group by study, domain
order by study, abs(difference) desc, domain
