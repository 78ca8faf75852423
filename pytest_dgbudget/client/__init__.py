"""The fixture's own client: an ordinary WebSocket client of the gateway, on one I/O thread per test process."""
