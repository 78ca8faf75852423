"""Who answers a request, by its path: one module per kind of answer."""
