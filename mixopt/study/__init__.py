"""Studies: the search over a space, its results, and the recommendation that comes of it."""
