"""Ground truth that the project measured itself; README.md says how."""
