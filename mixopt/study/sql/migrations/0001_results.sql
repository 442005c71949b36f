-- What a study was begun with.
create table identity (
    part varchar primary key,       -- what must not change while a study runs
    content varchar not null
);

-- One row for every schedule that was scored.
create table trials (
    trial varchar primary key,      -- 'search-0007', 'confirm-natural-3f9a1c'
    phase varchar not null,         -- 'search' or 'confirm'
    label varchar not null,         -- 'search', 'law', a baseline, 'recommended', ...
    number integer not null,        -- position within the phase
    schedule_digest varchar not null,
    recipe varchar not null,        -- the schedule as TOML
    point varchar not null          -- coordinates in the space, as JSON
);

-- One row for every seed of every trial.
create table runs (
    trial varchar not null,
    seed bigint not null,
    diverged_at integer,            -- first step of a leg without a finite loss
    cpu_seconds double not null,
    tokens bigint not null,         -- trained on
    primary key (trial, seed)
);

-- What every run was measured at, after every stage.
create table measures (
    trial varchar not null,
    seed bigint not null,
    stage varchar not null,
    measure varchar not null,
    subject varchar not null,
    value double not null,
    standard_error double not null, -- over documents or problems
    primary key (trial, seed, stage, measure, subject)
);

-- The mixtures of every stage of every trial, at points of the stage.
create table weights (
    trial varchar not null,
    stage varchar not null,
    stage_number integer not null,
    "at" double not null,             -- share of the stage's tokens done
    domain varchar not null,
    weight double not null,         -- share of tokens
    stage_tokens bigint not null    -- at the target
);
