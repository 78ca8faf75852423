"""One module for each client: what is patched there, by a function ``patch(module)``."""
