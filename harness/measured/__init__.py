"""Ground truth that the project measures itself."""
