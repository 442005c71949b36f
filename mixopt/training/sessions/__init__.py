"""Sessions: stages in which what a member trains on depends on the member itself; one file per kind."""
