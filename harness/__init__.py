"""The machinery: metrics, statistics, reports and the command line. Imports benchmarks and heuristics."""
