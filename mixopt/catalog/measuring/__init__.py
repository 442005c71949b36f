"""Measuring documents: one pass from a batch of documents to one row of numbers for each."""
