"""DuckDB files: opening them, named queries, schema versions, and locked-down SQL for users."""
