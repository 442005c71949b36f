-- Statements that prepare a connection which fills a new database file.

-- name: list_table_columns
select column_name, data_type
from duckdb_columns()
where database_name = $alias and schema_name = 'main' and table_name = $table;

-- name: lock_workbench
set autoinstall_known_extensions = false;
set autoload_known_extensions = false;
set allow_community_extensions = false;
set python_enable_replacements = false;
set enable_external_access = false;
set lock_configuration = true;
