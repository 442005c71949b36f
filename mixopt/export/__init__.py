"""Export: a schedule at the scale of the target, written as the configs of the trainer that runs it."""
