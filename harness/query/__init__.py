"""Finished runs as tables that answer SQL."""
