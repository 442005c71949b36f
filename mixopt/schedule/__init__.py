"""Schedules: mixtures, their curves, stages in order, repetition, and the exact order of tokens."""
