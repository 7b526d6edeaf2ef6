"""From log to target: the projection."""
