"""The search algorithms."""
