"""What each kind of stage minimizes; one file per kind."""
