-- The first schema of a catalog file. All tokens are counted with the tokenizer in catalog_info.

-- The catalog itself, in one row.
create table catalog_info (
    name varchar not null,
    tokenizer varchar not null,
    tokenizer_digest varchar not null,
    content_hash varchar not null,
    recipe_file varchar not null,
    recipe_digest varchar not null,
    validation_share double not null,
    test_share double not null
);

create table domains (
    position integer not null,
    name varchar primary key,
    provenance varchar not null,
    licence varchar not null,
    schema varchar not null,
    shards bigint not null,
    documents bigint not null,
    bytes bigint not null,
    tokens bigint not null,
    sample_tokens bigint not null,
    unique_tokens bigint not null,
    supply_tokens bigint not null,
    supply_declared boolean not null,
    duplicate_share double not null,
    quarantined bigint not null,
    content_hash varchar not null
);

create table sources (
    source bigint primary key,
    domain varchar not null,
    reader varchar not null,
    options varchar not null
);

create table shards (
    shard bigint primary key,
    domain varchar not null,
    source bigint not null,
    path varchar not null,
    format varchar not null,
    file_bytes bigint not null,
    documents bigint not null,
    bytes bigint not null,
    tokens bigint not null,
    duplicate_share double not null,
    content_hash varchar not null
);

create table shard_splits (
    shard bigint not null,
    domain varchar not null,
    split varchar not null,
    documents bigint not null,
    bytes bigint not null,
    tokens bigint not null
);

create table length_histograms (
    shard bigint not null,
    domain varchar not null,
    log2_bytes integer not null,
    documents bigint not null
);

create table quarantine (
    domain varchar not null,
    path varchar not null,
    unit varchar not null,
    position bigint not null,
    reason varchar not null
);
