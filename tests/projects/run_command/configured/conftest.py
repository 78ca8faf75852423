"""A conftest of the project: nobody but its own pytest may import it."""

raise AssertionError("a conftest was imported")
