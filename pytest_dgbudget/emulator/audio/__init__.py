"""Sound in both directions: the emulator's voice, files and tones, and an ear for where speech begins and ends."""
