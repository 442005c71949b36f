"""Verifiable task families: problems that a program can pose, solve, explain and mark."""
