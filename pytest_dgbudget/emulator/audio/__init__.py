"""Audio in both directions: the emulator's voice, files and tones, and the detection of the user's speech."""
