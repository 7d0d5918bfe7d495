"""What can be toggled when a super-net is trained. Imports benchmarks only."""
