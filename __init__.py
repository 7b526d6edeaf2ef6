"""homeiq: a durable, replayable recorder for Home Assistant."""

__all__ = ["__version__"]

__version__ = "0.1.0"
