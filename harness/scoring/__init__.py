"""What gives architectures scores."""
