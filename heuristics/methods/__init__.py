"""Methods of training, one idea per file."""
