"""The report of a comparison of searches."""
