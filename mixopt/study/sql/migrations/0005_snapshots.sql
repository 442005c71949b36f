-- The snapshot of the catalog that a trial saw: `snapshots.snapshot` there, and a study's `identity`
-- here, as it never goes on with another catalog. Null where a ledger does not say.
alter table trials add column snapshot varchar;

update trials set snapshot = (select content from identity where part = 'catalog');
