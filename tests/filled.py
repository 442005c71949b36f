"""A catalog with every table filled, and a ledger beside it, written by SQL for tests of queries."""

from __future__ import annotations

from pathlib import Path

import duckdb

from mixopt.database.migrate import migrate

_CATALOG = """
insert into catalog_info
values ('filled', 'words', 'words-1', 'c0ffee', 'recipe.toml', 'd1', .1, .1, '{}');

insert into domains values
    (0, 'web', 'organic', 'CC-BY-4.0', 'text', [], null, 2, 90, 9000, 3000, 2400, 90, 9000, 2400, 2000, 1500,
     4000000, true, .2, .3, .05, .01, 90, 2.5, .1, 'en', .9, 100, 2, 'h1'),
    (1, 'code', 'organic', 'MIT', 'text', [], null, 1, 40, 4000, 1000, 800, 40, 4000, 800, 800, 800,
     800, false, 0, .1, 0, 0, 40, 4.0, .2, 'en', .8, 90, 0, 'h2'),
    (2, 'drills', 'synthetic', 'CC0-1.0', 'text', ['pile'], 'score > 1', 1, 20, 1000, 300, 200, 20, 1000, 200,
     150, 150, 150, false, .4, null, null, null, 20, 1.5, .6, null, null, 40, 0, 'h3');

insert into collections values (0, 'pile', 'text', 50, 2500, 750, 30, 450);

insert into sources values (0, 'web', 'jsonl', '{}'), (1, 'code', 'text', '{}'), (2, 'pile', 'jsonl', '{}');

insert into files values
    (0, 'web', 0, '/d/a.jsonl', 'jsonl', 7000, '1', '{}', 70, 60, 9, 1, 'f0'),
    (1, 'web', 0, '/d/b.jsonl', 'jsonl', 4000, '1', '{}', 32, 30, 1, 1, 'f1'),
    (2, 'code', 1, '/d/c.py', 'text', 4000, '1', '{}', 40, 40, 0, 0, 'f2'),
    (3, 'pile', 2, '/d/d.jsonl', 'jsonl', 3000, '1', '{}', 50, 50, 0, 0, 'f3');

insert into shards values
    ('web', 0, '/d/a.jsonl', 'jsonl', 7000, 60, 6000, 2000, .1, 60, 2.4, .05, 'en', 's0'),
    ('web', 1, '/d/b.jsonl', 'jsonl', 4000, 30, 3000, 1000, .4, 30, 1.2, .50, 'de', 's1'),
    ('code', 2, '/d/c.py', 'text', 4000, 40, 4000, 1000, 0, 40, 4.0, .2, 'en', 's2'),
    ('drills', 3, '/d/d.jsonl', 'jsonl', 3000, 20, 1000, 300, .4, 20, 1.5, .6, null, 's3');

insert into shard_splits values
    ('web', 0, 'train', 48, 4800, 1600), ('web', 0, 'validation', 6, 600, 200),
    ('web', 0, 'test', 6, 600, 200), ('web', 1, 'train', 24, 2400, 800),
    ('web', 1, 'validation', 3, 300, 100), ('web', 1, 'test', 3, 300, 100),
    ('code', 2, 'train', 32, 3200, 800), ('code', 2, 'validation', 8, 800, 200),
    ('drills', 3, 'train', 14, 700, 200), ('drills', 3, 'test', 6, 300, 100);

insert into members values ('drills', 3, '10101'::bit, 'd3-members');

insert into length_histograms values
    ('web', 0, 6, 40), ('web', 0, 7, 20), ('web', 1, 6, 30), ('code', 2, 6, 40), ('drills', 3, 5, 20);

insert into languages values ('web', 'en', 60, 6000), ('web', 'de', 30, 3000), ('code', 'en', 40, 4000);

insert into token_counts values
    ('web', 'words', 'words-1', 3000), ('web', 'bytes', 'bytes-1', 9000),
    ('code', 'words', 'words-1', 1000), ('drills', 'words', 'words-1', 300);

insert into score_summaries values
    ('web', 'quality', 90, .5, .2, 0, .2, .5, .8, 1), ('drills', 'quality', 20, .9, null, .9, .9, .9, .9, .9);

insert into label_counts values
    ('web', 'topic', 'science', 50, 2000), ('web', 'topic', 'sport', 40, 1000);

insert into domain_overlaps values ('web', 'code', 9, 300, .1), ('code', 'web', 8, 200, .2), ('web', 'web', 20, 600, .2);

insert into contaminations values ('web', 'gsm', 4, 120), ('web', 'held-out: code', 2, 60);

insert into documents values
    ('web', 0, 0, 'train', '00000000000000aa', 100, 30, 'en', 2.5, .1, 1, 0, true, ['gsm'],
     map {'quality': .5}, map {'topic': 'science'}, 'A text about trees.'),
    ('web', 1, 1, 'validation', '00000000000000ab', 90, 25, 'de', 1.1, .6, 3, 1, false, [],
     map {'quality': .1}, map {'topic': 'sport'}, 'Ein Text.'),
    ('code', 2, 0, 'train', '00000000000000ac', 95, 25, 'en', 4, .2, 1, 1, false, [],
     map {}, map {}, 'def f(): pass'),
    ('drills', 3, 2, 'train', '00000000000000ad', 50, 15, null, 1.5, .6, 2, 0, null, null,
     map {'quality': .9}, map {}, '3 + 4 = 7');

insert into quarantine values
    ('web', '/d/a.jsonl', 'line', 12, 'not JSON'), ('web', '/d/b.jsonl', 'line', 3, 'no field text');

insert into snapshots values
    (1, 'aaaa', timestamp '2026-01-01', 'd1', 'words', 'words-1', 3, 120, 12000, 4000),
    (2, 'c0ffee', timestamp '2026-01-02', 'd1', 'words', 'words-1', 4, 150, 14000, 4300);

insert into snapshot_domains values
    (1, 'web', 'h0', 60, 2000, 2000), (1, 'code', 'h2', 40, 1000, 800), (1, 'gone', 'h9', 20, 1000, 900),
    (2, 'web', 'h1', 90, 3000, 4000000), (2, 'code', 'h2', 40, 1000, 800), (2, 'drills', 'h3', 20, 300, 150);

insert into shard_history values
    ('web', '/d/a.jsonl', 's0', 60, 2000, 1, null), ('web', '/d/b.jsonl', 's1', 30, 1000, 2, null),
    ('code', '/d/c.py', 's2', 40, 1000, 1, null), ('gone', '/d/g.jsonl', 's9', 20, 1000, 1, 2),
    ('drills', '/d/d.jsonl', 's3', 20, 300, 2, null);
"""

_LEDGER = """
insert into identity values ('catalog', 'c0ffee');

insert into trials (trial, phase, label, number, schedule_digest, recipe, point, snapshot) values
    ('search-0', 'search', 'natural', 0, 'x0', '', '{}', 'aaaa'),
    ('search-1', 'search', 'law', 1, 'x1', '', '{}', 'c0ffee'),
    ('search-2', 'search', 'sobol', 2, 'x2', '', '{}', 'c0ffee'),
    ('confirm-0', 'confirm', 'recommended', 0, 'x1', '', '{}', 'c0ffee');

insert into runs (trial, seed, diverged_at, cpu_seconds, tokens) values
    ('search-0', 0, null, 1.5, 100), ('search-0', 1, null, 1.5, 100), ('search-1', 0, null, 1.6, 100),
    ('search-1', 1, null, 1.6, 100), ('search-2', 0, 7, .2, 100), ('confirm-0', 9, null, 1.7, 100);

insert into nodes values
    ('search-0', 0, 0, 'n0', 60, 'early', 1.0), ('search-0', 0, 1, 'n1', 40, 'late', .5),
    ('search-1', 0, 0, 'n0', 60, 'early', 1.0), ('search-1', 0, 1, 'n2', 40, 'late', .6);

insert into measures values
    ('search-0', 0, 'late', 'bits_per_byte', 'mean', 2.0, .01), ('search-0', 1, 'late', 'bits_per_byte', 'mean', 2.2, .01),
    ('search-1', 0, 'late', 'bits_per_byte', 'mean', 1.5, .01), ('search-1', 1, 'late', 'bits_per_byte', 'mean', 1.7, .01),
    ('search-2', 0, 'late', 'bits_per_byte', 'mean', 1.9, .01), ('confirm-0', 9, 'late', 'bits_per_byte', 'mean', 1.6, .01);

insert into weights values
    ('search-0', 'early', 0, 0, 'web', .8, 600), ('search-0', 'early', 0, 0, 'code', .2, 600),
    ('search-0', 'late', 1, 0, 'web', 1, 400), ('search-0', 'late', 1, 1, 'code', 1, 400),
    ('search-1', 'early', 0, 0, 'web', .5, 600), ('search-1', 'early', 0, 0, 'code', .5, 600),
    ('search-1', 'late', 1, 0, 'drills', 1, 400),
    ('search-2', 'early', 0, 0, 'web', 1, 600), ('search-2', 'late', 1, 0, 'web', 1, 400);

insert into figures values ('search-0', 0, 'late', 'opened_at', .5), ('search-0', 1, 'late', 'opened_at', .7);

insert into choices values ('search-1', 0, 'early', 0, 'web', .5), ('search-1', 0, 'early', 0, 'code', .5);

insert into proxies values ('nano', 'search', 100000, 100);
"""


def write_filled_catalog(path: Path) -> Path:
    """Write a catalog of three domains and four shards in which no table is empty."""
    return _write(path, "mixopt.catalog.sql", _CATALOG)


def write_filled_ledger(folder: Path) -> Path:
    """Write the ledger of a study over that catalog; return its file."""
    folder.mkdir(parents=True)
    return _write(folder / "results.duckdb", "mixopt.study.sql", _LEDGER)


def _write(path: Path, package: str, rows: str) -> Path:
    with duckdb.connect(str(path)) as connection:
        migrate(connection, package)
        connection.execute(rows)
    return path
