"""Training-free scores and their fusions, for users of Python and of the command line."""
