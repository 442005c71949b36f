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

-- name: union_empty
select {columns} where false

-- name: union_between
union all by name

-- name: list_columns
select table_name, column_name, data_type
from duckdb_columns()
where not internal
order by table_name, column_index;

-- name: syntax_tree
select json_serialize_sql($sql::varchar);

-- name: lock
-- The file system goes last: earlier settings look at it. Without it, databases that are open stay so.
set autoinstall_known_extensions = false;
set autoload_known_extensions = false;
set allow_community_extensions = false;
set allow_extension_repositories = 'forbidden';
set allow_persistent_secrets = false;
set python_enable_replacements = false;
set enable_external_file_cache = false;
set show_behavior = 'table';
set home_directory = '/';
set secret_directory = '';
set http_proxy = '';
set temp_directory = '';
set enable_external_access = false;
set disabled_filesystems = 'LocalFileSystem';
set lock_configuration = true;
