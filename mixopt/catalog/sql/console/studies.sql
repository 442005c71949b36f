-- Views over the results of studies for users' queries. See views.sql for the comments.

-- name: view_results
-- One row for every measure of every trial after every stage, over its seeds
create temp view results as
with stages as (select distinct study, trial, stage, stage_number from weights)
select
    study,
    trial,
    phase,
    label,
    stage_number,
    stage,
    measure,
    subject,
    count(*) as seeds,
    avg(value) as value,            -- mean over seeds
    case when count(*) > 1 then stddev_samp(value) / sqrt(count(*)) else any_value(standard_error) end
        as standard_error,          -- over seeds; of a single seed over its documents or problems
    coalesce(stage_number, -1)
        = max(coalesce(stage_number, -1)) over (partition by study, trial, measure, subject)
        as is_last                  -- of the trial's stages that have the measure
from measures
join trials using (study, trial)
left join stages using (study, trial, stage)
group by study, trial, phase, label, stage_number, stage, measure, subject;

-- name: view_trial_mixtures
-- The mean mixture of every stage of every trial, and how often the target run would repeat each domain
create temp view trial_mixtures as
select
    study,
    trial,
    stage_number,
    stage,
    domain,
    weight,                         -- share of the stage's tokens
    weight * stage_tokens as tokens,    -- at the target
    weight * stage_tokens / supply_of(domain) as epochs
from (
    select study, trial, stage_number, stage, domain, any_value(stage_tokens) as stage_tokens,
           sum(weight * (least(next_at, 1) - "from")) as weight
    from (
        select
            knots.*,
            coalesce(points.weight, 0) as weight,
            case when previous_at is null then 0 else (previous_at + knots."at") / 2 end as "from",
            case when following_at is null then 1 else (knots."at" + following_at) / 2 end as next_at
        from (
            select *,
                   lag("at") over (partition by study, trial, stage, domain order by "at") as previous_at,
                   lead("at") over (partition by study, trial, stage, domain order by "at") as following_at
            from (
                select distinct knots.study, knots.trial, knots.stage_number, knots.stage, knots."at",
                                knots.stage_tokens, named.domain
                from weights as knots
                join weights as named using (study, trial, stage)
            )
        ) as knots
        left join weights as points
          on points.study = knots.study and points.trial = knots.trial
         and points.stage = knots.stage and points."at" = knots."at"
         and points.domain = knots.domain
    )
    group by study, trial, stage_number, stage, domain
);

-- name: view_doses
-- What every trial trains on over all its stages, at the target
create temp view doses as
select
    study,
    trial,
    domain,
    sum(tokens) as tokens,
    sum(tokens) / supply_of(domain) as epochs,
    sum(tokens) / sum(sum(tokens)) over (partition by study, trial) as share    -- of all its tokens
from trial_mixtures
group by study, trial, domain;
