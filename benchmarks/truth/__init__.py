"""Results of stand-alone networks: the table format, the importers that write it, and the tables that are available."""
