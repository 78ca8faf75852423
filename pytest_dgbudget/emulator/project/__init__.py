"""The emulated project: its keys, its clock, its prices, and what its sessions used."""
