"""How well elements are found again after a page has changed."""
