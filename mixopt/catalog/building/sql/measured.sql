-- Statements of the store of measurements; `chunk`, `outcomes`, `pieces`, `wanted`, `claimed`,
-- `moved` and `used` are Arrow tables that are lent to them.

-- name: count_unfinished
select count(*) as documents
from documents
where file not in (select file from files);

-- name: delete_unfinished
delete from documents
where file not in (select file from files);

-- name: find_newest
select coalesce(max(file), 0) as file
from files;

-- name: find_columns
select column_name as name, data_type as type
from duckdb_columns()
where table_name = 'documents' and not internal;

-- name: insert_documents
insert into documents by name
select *
from chunk;

-- name: insert_entries
insert into entries by name
select *
from pieces;

-- name: insert_files
insert into files by name
select *
from outcomes;

-- Files whose version could not be told are never found again.
-- name: find_measured
select wanted.place, max(files.file) as file
from wanted
join files using (location, num_bytes, modified, reading)
where files.measuring = $measuring and modified <> ''
group by wanted.place;

-- Files that may have moved or been touched: their size is that of a file which is not where it was.
-- name: find_suspects
select wanted.place
from wanted
semi join (
    select num_bytes, reading
    from files
    where measuring = $measuring and checksum is not null
        and file not in (select file from claimed)
) as lost using (num_bytes, reading);

-- One lost file is found again in one place only, so every place keeps a row of its own.
-- name: find_moved
select found.place, lost.file
from (
    select *, row_number() over (partition by num_bytes, reading, checksum order by place) as copy
    from wanted
) as found
join (
    select
        file,
        num_bytes,
        reading,
        checksum,
        row_number() over (partition by num_bytes, reading, checksum order by file) as copy
    from files
    where measuring = $measuring and file not in (select file from claimed)
) as lost using (num_bytes, reading, checksum, copy);

-- name: move_files
update files
set location = moved.location, modified = moved.modified
from moved
where files.file = moved.file;

-- name: sum_bytes
select used.file, coalesce(sum(documents.bytes), 0)::bigint as bytes
from used
left join documents using (file)
group by used.file;

-- name: name_content
select md5(string_agg(concat_ws(' ', reading, documents, content), ',' order by place)) as content
from used
join files using (file)
left join (
    select file, count(*) as documents, sum(fingerprint) as content
    from documents
    where file in (select file from used)
    group by file
) as contents using (file);

-- name: sum_used
select
    coalesce(sum(taken) filter (file in (select file from used)), 0)::bigint as used,
    coalesce(sum(taken) filter (file not in (select file from used)), 0)::bigint as unused
from files;

-- name: delete_unused
delete from files
where file not in (select file from used);

-- name: delete_entries
delete from entries
where file not in (select file from files);

-- name: count_pieces
select
    coalesce(sum(quarantined), 0)::bigint as quarantined,
    count(*) filter (taken > 0) as shards
from files
where file in (select file from used);

-- name: checkpoint
checkpoint;
