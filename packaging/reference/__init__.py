"""The pages of the documentation that are made from the code: `python packaging/reference` writes them."""
