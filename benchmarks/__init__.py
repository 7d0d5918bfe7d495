"""The ground: search spaces, stand-alone ground truth, and tasks. Imports neither heuristics nor harness."""
