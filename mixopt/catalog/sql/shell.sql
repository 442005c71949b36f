-- What the SQL shell asks of a catalog for its own commands.

-- name: shell_tables
select relation as "table", meaning
from dictionary
where kind = 'table'
order by relation;

-- name: shell_functions
select name as "function", meaning
from dictionary
where kind = 'function'
order by name;

-- name: shell_describe
select name as "column", type, meaning
from dictionary
where relation = $table and kind = 'column';

-- name: shell_words
select kind, name
from (
    select 'table' as kind, relation as name from dictionary where kind = 'table'
    union
    select 'column', name from dictionary where kind = 'column'
    union
    select 'function', function_name || '('
    from duckdb_functions()
    where regexp_full_match(function_name, '[a-z]\w*') and function_type in ('scalar', 'aggregate', 'macro')
)
order by kind, name;
