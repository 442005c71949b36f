-- What could not be read, why, and where does it begin?
select
    collection,
    reason,
    count(*) as pieces,
    count(distinct path) as files,
    min_by(path, (path, position)) as first_file,
    min_by(position, (path, position)) as first_position,
    min_by(unit, (path, position)) as unit
from quarantine
group by collection, reason
order by pieces desc, collection, reason
