-- Which domains go along with better or worse values of a measure, over the trials of the search? (--study)
-- $measure (text) = bits_per_byte: the measure
-- $subject (text) = mean: what it is measured on
with scored as (
    select study, trial, value
    from results
    where measure = $measure and subject = $subject and is_last and phase = 'search'
),
trial_domains as (
    select scored.study, scored.trial, value, named.domain, coalesce(doses.share, 0) as share
    from scored
    join (select distinct study, domain from doses) as named using (study)
    left join doses
      on doses.study = scored.study and doses.trial = scored.trial and doses.domain = named.domain
),
places as (
    select study, domain,
           rank() over (partition by study, domain order by share) as place_of_share,
           rank() over (partition by study, domain order by value) as place_of_value
    from trial_domains
)
select
    study,
    domain,
    count(*) as trials,
    round(corr(place_of_share, place_of_value), 3) as rank_correlation
from places
group by study, domain
having count(*) > 2
order by study, abs(rank_correlation) desc nulls last, domain
