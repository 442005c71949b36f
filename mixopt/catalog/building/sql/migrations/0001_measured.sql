-- What builds have measured, so that no file is measured twice. Never read by anything but a build.
-- One row of `files` may serve several shards: where two sources list one file and read it alike.
-- Rows lie in no order: workers write them as they come. Columns of scores are double, of labels varchar.

create table files (
    file bigint primary key,
    location varchar not null,
    num_bytes bigint not null,
    modified varchar not null,      -- of a local file in nanoseconds; what a remote one gives
    checksum varchar,               -- of the bytes of a local file
    reading varchar not null,       -- digest of all that decides which documents it gives
    measuring varchar not null,     -- digest of all that decides what is measured of them
    "read" bigint not null,
    filtered bigint not null,
    quarantined bigint not null,
    taken bigint not null,
    check ("read" = taken + filtered + quarantined)
);                                  -- written last: a file without a row here was never finished

create table entries (
    file bigint not null,
    unit varchar not null,
    position bigint not null,
    reason varchar not null
);

-- One row for every document taken; scores and labels of sources are added as further columns.
create table documents (
    file bigint not null,
    document integer not null,      -- place among those taken of its file, from 0
    identity ubigint not null,
    fingerprint ubigint not null,
    bytes bigint not null,
    tokens bigint not null,
    further_tokens bigint[],
    language varchar,
    compressibility float,
    repetition float,
    signature blob,
    grams ubigint[],
    protected varchar[],
    excerpt varchar
);
