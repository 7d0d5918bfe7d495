"""Scores against ground truth: files of scores, and the report of rank disorder."""
