"""What is on disk: the event log, its files and the views over them."""
