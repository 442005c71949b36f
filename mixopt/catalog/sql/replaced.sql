-- What a build asks the catalog that it replaces.

-- name: read_paths
select path
from files;
