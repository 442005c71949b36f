-- Profiles, collections, snapshots. Catalogs are always written anew, so nothing is converted.

drop table domains;
drop table sources;
drop table shards;
drop table shard_splits;
drop table length_histograms;
drop table quarantine;

alter table catalog_info add column profile varchar;    -- settings of the profile, as JSON

-- One row for every domain, with the totals of its documents, their profile and the supply.
create table domains (
    position integer not null,              -- in the recipe, from 0
    name varchar primary key,
    provenance varchar not null,            -- how its documents came to be
    licence varchar not null,
    schema varchar not null,                -- text, conversation or preference
    collections varchar[] not null,         -- that it is cut from; empty for one with sources
    condition varchar,                      -- that its documents meet, in SQL
    shards bigint not null,
    documents bigint not null,
    bytes bigint not null,
    tokens bigint not null,                 -- of all splits
    train_tokens bigint not null,           -- of the train split
    sample_documents bigint not null,       -- of all splits, in the sample that proxies see
    sample_bytes bigint not null,           -- of all splits, in that sample
    sample_tokens bigint not null,          -- of the train split, in that sample
    unique_tokens bigint not null,          -- of the train split, every document once
    effective_tokens bigint not null,       -- of the train split, one of every group of near-duplicates
    supply_tokens bigint not null,          -- unique tokens of the target run
    supply_declared boolean not null,       -- by the recipe; else measured
    duplicate_share double not null,        -- of documents that repeat another of the domain
    near_duplicate_share double,            -- that repeat another or nearly do; null where not looked for
    contaminated_share double,              -- of train documents that share n-grams with held-out
    protected_share double,                 -- of train documents that share n-grams with protected
    profiled_documents bigint not null,     -- behind compressibility, repetition and language
    compressibility double,                 -- mean share of bytes that zstd leaves
    repetition double,                      -- mean share of words in ten-word runs that stood before
    language varchar,                       -- of the most documents
    language_share double,                  -- of documents in that language
    median_bytes bigint not null,
    quarantined bigint not null,            -- pieces; of a domain that is cut from collections: 0
    content_hash varchar not null
);

-- Documents that domains are cut from by conditions.
create table collections (
    position integer not null,              -- in the recipe, from 0
    name varchar primary key,
    schema varchar not null,
    documents bigint not null,
    bytes bigint not null,
    tokens bigint not null,
    rest_documents bigint not null,         -- in no domain
    rest_tokens bigint not null
);

-- Where documents come from, as the recipe says.
create table sources (
    source bigint primary key,
    collection varchar not null,            -- the domain or collection that has it
    reader varchar not null,
    options varchar not null                -- as JSON
);

-- One row for every file. Documents "read" = taken + filtered + quarantined.
create table files (
    shard bigint primary key,
    collection varchar not null,
    source bigint not null,
    path varchar not null,                  -- or URL
    format varchar not null,
    file_bytes bigint not null,
    modified varchar not null,
    storage varchar not null,               -- options of its file system, as JSON
    "read" bigint not null,
    taken bigint not null,
    filtered bigint not null,
    quarantined bigint not null,
    content_hash varchar not null,          -- of the documents taken
    check ("read" = taken + filtered + quarantined)
);

-- One row for every file of every domain, counting the documents of that domain only.
create table shards (
    domain varchar not null,
    shard bigint not null,
    path varchar not null,
    format varchar not null,
    file_bytes bigint not null,
    documents bigint not null,
    bytes bigint not null,
    tokens bigint not null,
    duplicate_share double not null,        -- of documents that repeat another of the file
    profiled_documents bigint not null,
    compressibility double,
    repetition double,
    language varchar,
    content_hash varchar not null,
    primary key (domain, shard)
);

-- How the documents of every file of every domain are split.
create table shard_splits (
    domain varchar not null,
    shard bigint not null,
    split varchar not null,
    documents bigint not null,
    bytes bigint not null,
    tokens bigint not null
);

-- Which documents proxies see of a domain that is sampled or cut from collections: bit d of the text
-- of zeros and ones is the d-th document taken of the file, counted from 0; the rest are zeros. Of
-- files without a row here they see none. A domain that does not stand here is seen whole.
create table members (
    domain varchar not null,
    shard bigint not null,
    documents bit not null,
    content_hash varchar not null,          -- of these documents
    primary key (domain, shard)
);

-- Lengths of documents by powers of two.
create table length_histograms (
    domain varchar not null,
    shard bigint not null,
    log2_bytes integer not null,            -- n: from 2^n bytes to below twice that
    documents bigint not null
);

-- Documents of every domain by their language as guessed; `und` where the guess is unsure.
create table languages (
    domain varchar not null,
    language varchar not null,
    documents bigint not null,
    bytes bigint not null
);

-- Tokens of every domain in every tokenizer that the recipe names.
create table token_counts (
    domain varchar not null,
    tokenizer varchar not null,
    tokenizer_digest varchar not null,
    tokens bigint not null
);

-- How the scores of every domain's documents are spread.
create table score_summaries (
    domain varchar not null,
    score varchar not null,
    documents bigint not null,
    mean double not null,
    standard_deviation double,
    least double not null,
    p10 double not null,
    p50 double not null,
    p90 double not null,
    most double not null
);

-- Scores of a proxy that are attached to the documents that proxies see; equal documents once.
create table proxy_scores (
    domain varchar not null,
    score varchar not null,
    identity ubigint not null,              -- its 16 hexadecimal digits as a number
    value double not null
);

-- Documents of every domain by the values of their labels: of each label the hundred that most have.
create table label_counts (
    domain varchar not null,
    label varchar not null,
    value varchar not null,
    documents bigint not null,
    tokens bigint not null
);

-- Documents of `domain` that have a copy or near-duplicate in `other`. Documents that stand in more
-- than a hundred domains are boilerplate and do not count.
create table domain_overlaps (
    domain varchar not null,
    other varchar not null,
    documents bigint not null,
    tokens bigint not null,
    token_share double not null             -- of the tokens of `domain`
);

-- Training documents of `domain` that share n-grams with a protected set, or with held-out documents.
-- N-grams of held-out documents that stand in more than a thousand documents are boilerplate and do
-- not count.
create table contaminations (
    domain varchar not null,
    source varchar not null,                -- a protected set, or `held-out: <domain>`
    documents bigint not null,
    tokens bigint not null
);

-- A sample of every domain's documents: those with the smallest fingerprints.
create table documents (
    domain varchar not null,
    shard bigint not null,
    document integer not null,
    split varchar not null,
    identity varchar not null,              -- 16 hexadecimal digits
    bytes bigint not null,
    tokens bigint not null,
    language varchar,
    compressibility double,
    repetition double,
    copies bigint not null,                 -- documents of the catalog that are equal, itself among them
    near_duplicates bigint not null,        -- that are nearly equal, its copies not among them
    contaminated boolean,
    protected varchar[],
    scores map(varchar, double),
    labels map(varchar, varchar),
    excerpt varchar
);

-- Broken pieces of files, and where they stand; the first thousand of every file.
create table quarantine (
    collection varchar not null,
    path varchar not null,
    unit varchar not null,                  -- line, row, byte or file: what the position counts
    position bigint not null,               -- lines and rows from 1, bytes from 0, unpacked
    reason varchar not null
);

-- What the catalog held after every build that changed it.
create table snapshots (
    number integer primary key,
    snapshot varchar not null,              -- the content hash of the catalog
    built_at timestamp not null,
    recipe_digest varchar not null,
    tokenizer varchar not null,
    tokenizer_digest varchar not null,
    shards bigint not null,
    documents bigint not null,
    bytes bigint not null,
    tokens bigint not null
);

-- What every domain held in every snapshot.
create table snapshot_domains (
    number integer not null,
    domain varchar not null,
    content_hash varchar not null,
    documents bigint not null,
    tokens bigint not null,
    supply_tokens bigint not null
);

-- Every version of every file of every domain: `since` and `until` are numbers of snapshots. Files
-- that only moved make no snapshot: the next one notes it.
create table shard_history (
    domain varchar not null,
    path varchar not null,
    content_hash varchar not null,
    documents bigint not null,
    tokens bigint not null,
    since integer not null,
    until integer                           -- the first snapshot without it; null while it is there
);
