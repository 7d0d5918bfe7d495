"""Stand-alone results: the table format, the importers that write it, and the tables at hand."""
