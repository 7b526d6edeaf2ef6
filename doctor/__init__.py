"""The diagnosis: is everything written, by whom, since when, what is missing, and what to do. One check a file."""
