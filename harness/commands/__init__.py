"""The sub-commands of `supernet`, one module each."""
