"""Statistics as pure functions on arrays: rank correlations, intervals, and comparisons of a few seeds."""
