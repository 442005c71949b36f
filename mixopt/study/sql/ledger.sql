-- name: insert_trial
insert or ignore into trials
values ($trial, $phase, $label, $number, $schedule_digest, $recipe, $point, $proxy,
        (select content from identity where part = 'catalog'));

-- name: insert_weights
insert into weights
select unnest($trial::varchar[]), unnest($stage::varchar[]), unnest($stage_number::integer[]),
       unnest($at::double[]), unnest($domain::varchar[]), unnest($weight::double[]),
       unnest($stage_tokens::bigint[]);

-- name: insert_run
insert into runs (trial, seed, diverged_at, cpu_seconds, tokens, prefix, stopped_after)
values ($trial, $seed, $diverged_at, $cpu_seconds, $tokens, $prefix, $stopped_after);

-- name: insert_nodes
insert into nodes
select unnest($trial::varchar[]), unnest($seed::bigint[]), unnest($number::integer[]),
       unnest($node::varchar[]), unnest($tokens::bigint[]), unnest($stage::varchar[]),
       unnest($cpu_seconds::double[]);

-- name: insert_measures
insert into measures
select unnest($trial::varchar[]), unnest($seed::bigint[]), unnest($stage::varchar[]),
       unnest($measure::varchar[]), unnest($subject::varchar[]), unnest($value::double[]),
       unnest($standard_error::double[]);

-- name: insert_figures
insert into figures
select unnest($trial::varchar[]), unnest($seed::bigint[]), unnest($stage::varchar[]),
       unnest($name::varchar[]), unnest($value::double[]);

-- name: insert_choices
insert into choices
select unnest($trial::varchar[]), unnest($seed::bigint[]), unnest($stage::varchar[]),
       unnest($since::double[]), unnest($domain::varchar[]), unnest($weight::double[]);

-- name: insert_proxy
insert or replace into proxies values ($proxy, $phase, $parameters, $lm_tokens);

-- name: insert_identity
insert or ignore into identity values ($part, $content);

-- name: find_trial
select trial from trials where trial = $trial;

-- name: list_identity
select part, content from identity;

-- name: list_trials
select trial, phase, label, number, schedule_digest, recipe, point, proxy
from trials
order by list_position(['scout', 'search', 'scale', 'confirm'], phase),
         case when phase in ('scout', 'scale') then proxy end, number, trial;

-- name: list_proxies
select proxy, phase, parameters, lm_tokens from proxies order by parameters, lm_tokens, proxy;

-- name: list_runs
select runs.trial, runs.seed, diverged_at, cpu_seconds, tokens, prefix, stopped_after,
       coalesce(trained_tokens, 0) as trained_tokens
from runs left join trained on trained.trial = runs.trial and trained.seed = runs.seed
order by runs.trial, runs.seed;

-- name: list_measures
select trial, seed, stage || '/' || measure || '/' || subject as key, value, standard_error
from measures
order by trial, key, seed;

-- name: list_figures
select figures.trial, figures.seed, figures.stage, figures.name, figures.value
from figures join trials on trials.trial = figures.trial
where coalesce($phase::varchar, trials.phase) = trials.phase
order by list_position(['scout', 'search', 'scale', 'confirm'], trials.phase), trials.number, figures.trial, figures.stage, figures.name, figures.seed;

-- name: list_choices
select seed, stage, since, domain, weight
from choices
where trial = $trial
order by seed, stage, since, domain;

-- name: list_stage_costs
select stage, trained, tokens, cpu_seconds from stage_costs where stage is not null;
