"""Answers to questions about finished runs, in SQL."""
