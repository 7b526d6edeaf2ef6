"""What raw events mean: pure functions from a record, and the home at its time, to points."""
