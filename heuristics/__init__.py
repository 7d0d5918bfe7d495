"""Recipes, and the methods and heuristics that can be toggled in them. Imports benchmarks only."""
