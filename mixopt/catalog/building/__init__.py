"""Building a catalog: listing files, measuring those that are new, and assembling the catalog file."""
