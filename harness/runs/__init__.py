"""Runs: what is to be made, where it lies, and who makes it."""
