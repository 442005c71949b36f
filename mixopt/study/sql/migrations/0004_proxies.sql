alter table trials add column proxy varchar;        -- of scouts and larger runs; null where it is the study's own

-- The proxies that a study trains.
create table proxies (
    proxy varchar primary key,
    phase varchar not null,         -- 'scout' or 'scale', or 'search' for the study's own
    parameters bigint not null,
    lm_tokens bigint not null       -- of one proxy, over all its language-model stages
);

-- What each proxy of the study was trained for; a stage that several runs share counts once.
create view proxy_costs as
select trials.phase, trials.proxy, count(distinct trials.trial) as trials, count(*) as runs,
       sum(coalesce(trained_tokens, 0))::bigint as trained_tokens, sum(cpu_seconds) as cpu_seconds
from trials
join runs on runs.trial = trials.trial
left join trained on trained.trial = runs.trial and trained.seed = runs.seed
group by trials.phase, trials.proxy;
