"""From a table of runs to one law per measure: families, folds, stack, calibrated intervals."""
