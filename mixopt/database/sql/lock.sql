-- Statements that prepare a connection for SQL written by users.

-- name: attach_database
attach $path as {alias} (read_only);

-- name: find_table
select 1
from information_schema.tables
where table_catalog = $alias and table_schema = 'main' and table_name = $table;

-- name: create_union_view
create temp view {view} as {members};

-- name: union_member
select {label} as study, * from {alias}.main.{table}

-- name: union_between
union all by name

-- name: lock
set autoinstall_known_extensions = false;
set autoload_known_extensions = false;
set allow_community_extensions = false;
set allow_persistent_secrets = false;
set python_enable_replacements = false;
set temp_directory = '';
set enable_external_access = false;
set lock_configuration = true;
