"""Laws fitted to trials, their judgement by cross-validation, and the schedules they propose."""
