"""Reports as a person reads them: tables for the terminal, figures for a paper, JSON for programs."""
