"""Distributions over architectures, and how they are learned."""
