"""Pure statistics on arrays: rank correlations, intervals, comparisons of a few seeds."""
