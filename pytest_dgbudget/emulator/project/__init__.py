"""The project that the emulator plays: its keys, its clock, its prices, and what its sessions used."""
