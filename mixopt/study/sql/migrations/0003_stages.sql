-- What every stage of every run noted of how it went.
create table figures (
    trial varchar not null,
    seed bigint not null,
    stage varchar not null,
    name varchar not null,          -- 'opened_at', 'pairs', 'reward_last', ...: what the stage notes of how it went
    value double not null,
    primary key (trial, seed, stage, name)
);

-- Mixtures that online policies chose, from a point of the stage on.
create table choices (
    trial varchar not null,
    seed bigint not null,
    stage varchar not null,
    since double not null,          -- share of the stage's steps done; the mixture holds until the next choice
    domain varchar not null,
    weight double not null,         -- share of tokens, chosen by the stage's online policy
    primary key (trial, seed, stage, since, domain)
);

-- Means over seeds, as a table of what each stage of each trial noted.
create view mean_figures as
select trial, stage, name, avg(value) as value, stddev_samp(value) / sqrt(count(*)) as standard_error,
       count(*) as num_seeds
from figures
group by trial, stage, name;

alter table nodes add column stage varchar;
alter table nodes add column cpu_seconds double;  -- of the whole node, examination included, whoever shares it

-- What each stage cost over the whole study; a stage that several runs share counts once.
create view stage_costs as
select stage, count(*) as trained, sum(tokens)::bigint as tokens, sum(cpu_seconds) as cpu_seconds
from (
    select node, any_value(stage) as stage, max(tokens) as tokens, max(cpu_seconds) as cpu_seconds
    from nodes
    group by node
)
group by stage;
