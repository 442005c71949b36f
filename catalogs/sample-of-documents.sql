-- What do documents of a domain look like?
-- $domain (text): a domain
-- $documents (count) = 20: how many
select shard, document, split, language, tokens, copies, scores, labels, excerpt
from documents
where domain = $domain
order by identity
limit $documents::bigint
