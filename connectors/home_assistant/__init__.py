"""Home Assistant's WebSocket API: a core without I/O, and the thin client around it."""
