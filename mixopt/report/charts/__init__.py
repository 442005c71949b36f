"""One file per kind of chart; `figures.py` says which of them a page has."""
