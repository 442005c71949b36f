"""Drafting: a starting recipe of a catalog from a look at the files."""
