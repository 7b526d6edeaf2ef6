"""`python -m homeiq` is `homeiq`."""

from .cli import main

main()
