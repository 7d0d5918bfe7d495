"""Rank disorder in weight-sharing neural architecture search, measured against real ground truth."""
