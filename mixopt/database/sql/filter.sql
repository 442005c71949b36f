-- Conditions written by users, held against batches of rows.

-- name: parse_condition
select json_serialize_sql('select (' || $condition || chr(10) || ')');

-- name: list_unstable_functions
select distinct function_name from duckdb_functions() where stability <> 'CONSISTENT';

-- name: create_batch
create or replace temp table batch ({columns});

-- name: bind_condition
select ({condition}
) as holds
from batch
where ({condition}
);

-- name: hold_condition
select coalesce(({condition}
), false) as holds
from batch;
