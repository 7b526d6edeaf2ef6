"""How raw events come in. Never the meaning of a payload."""
