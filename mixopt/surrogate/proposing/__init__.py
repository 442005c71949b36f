"""From laws to schedules: candidates, constraints, optima, fronts, and batches of next trials."""
