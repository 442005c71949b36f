"""Where the lanes of a study are trained; one engine per file."""
