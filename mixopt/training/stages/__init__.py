"""What each kind of stage minimizes, as weights of token losses; one file per kind."""
