"""The super-net of NAS-Bench-201."""
