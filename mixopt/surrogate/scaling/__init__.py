"""From small runs to large ones: transfer, informative runs, the ladder of sizes."""
