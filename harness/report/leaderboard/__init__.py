"""The leaderboard as a table, files and a page."""
