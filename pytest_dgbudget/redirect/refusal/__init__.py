"""What can't be redirected is refused: one module for each way to speak TLS, with a function ``patch(module)``."""
