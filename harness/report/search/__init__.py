"""The report on a comparison of search algorithms."""
