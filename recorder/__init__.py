"""From source to durable: the daemon that takes events and appends them to the log."""
