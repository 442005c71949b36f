"""From files of past runs to runs, and to a space in which laws can propose."""
