"""Runs: their specs, the folder that stores them, and the executors that make them."""
