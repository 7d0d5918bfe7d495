"""Published scores of architectures, measured with one yardstick."""
