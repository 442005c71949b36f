"""Evaluation: what a trained proxy is worth, each number with its standard error."""
