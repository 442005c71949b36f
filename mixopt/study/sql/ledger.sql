-- name: insert_trial
insert or ignore into trials values ($trial, $phase, $label, $number, $schedule_digest, $recipe, $point);

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
       unnest($node::varchar[]), unnest($tokens::bigint[]);

-- name: insert_measures
insert into measures
select unnest($trial::varchar[]), unnest($seed::bigint[]), unnest($stage::varchar[]),
       unnest($measure::varchar[]), unnest($subject::varchar[]), unnest($value::double[]),
       unnest($standard_error::double[]);

-- name: insert_identity
insert or ignore into identity values ($part, $content);

-- name: find_trial
select trial from trials where trial = $trial;

-- name: list_identity
select part, content from identity;

-- name: list_trials
select trial, phase, label, number, schedule_digest, recipe, point
from trials
order by phase desc, number, trial;

-- name: list_runs
select runs.trial, runs.seed, diverged_at, cpu_seconds, tokens, prefix,
       coalesce(trained_tokens, 0) as trained_tokens
from runs left join trained on trained.trial = runs.trial and trained.seed = runs.seed
order by runs.trial, runs.seed;

-- name: list_measures
select trial, seed, stage || '/' || measure || '/' || subject as key, value, standard_error
from measures
order by trial, key, seed;
