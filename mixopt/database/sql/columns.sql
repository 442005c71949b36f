-- Columns that a recipe names; identifiers cannot be bound, so they are quoted.

-- name: add_column
alter table {table} add column if not exists {column} {kind};
