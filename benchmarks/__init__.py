"""Search spaces, ground truth of stand-alone networks, and tasks. Imports neither heuristics nor harness."""
