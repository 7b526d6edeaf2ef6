"""What each command does: the room between cli.py, which parses, and the rooms that do the work."""
