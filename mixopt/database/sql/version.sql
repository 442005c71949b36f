-- The table that holds the schema version of a database file.

-- name: create_version_table
create table if not exists schema_version (version integer primary key);

-- name: find_version_table
select 1
from information_schema.tables
where table_name = 'schema_version' and table_schema = 'main' and table_catalog = current_database();

-- name: read_version
select max(version) from schema_version;

-- name: record_version
insert into schema_version values ($version);
