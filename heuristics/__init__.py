"""Recipes, and the methods and heuristics that can be switched on in them. Imports benchmarks only."""
