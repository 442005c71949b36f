-- What did each stage of a study cost? (--study)
select
    study,
    stage,
    trained,
    human(tokens) as tokens,
    round(cpu_seconds, 1) as cpu_seconds,
    round(100 * cpu_seconds / sum(cpu_seconds) over (partition by study), 1) as percent
from stage_costs
order by study, cpu_seconds desc nulls last, stage
