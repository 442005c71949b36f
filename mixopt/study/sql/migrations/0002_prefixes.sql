alter table runs add column prefix varchar;         -- key of the first stage: what runs share, noise included
alter table runs add column stopped_after varchar;  -- stage after which the run was given up

-- The stages of every run, in order; runs that begin alike share theirs.
create table nodes (
    trial varchar not null,
    seed bigint not null,
    number integer not null,        -- position in the run
    node varchar not null,          -- key of a stage after the stages before it; runs can share it
    tokens bigint not null,         -- trained on in it
    primary key (trial, seed, number)
);

-- Tokens that were trained for each run; those of a shared stage count for the first run alone.
create view trained as
select trial, seed, sum(case when part = 1 then tokens else 0 end)::bigint as trained_tokens
from (
    select trial, seed, tokens, row_number() over (partition by node order by trial, seed) as part
    from nodes
)
group by trial, seed;
