"""Several studies beside each other: the table and the figure, as page, files and in the terminal."""
