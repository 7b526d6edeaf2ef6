"""Where points go."""
