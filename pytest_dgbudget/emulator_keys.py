"""What the emulator's keys and temporary tokens look like, so that they are never taken for the vendor's."""

from __future__ import annotations

KEY_PREFIX = "dgemu_"
TOKEN_PREFIX = "eyJraWQiOiJkZ2VtdSIs"  # base64 of {"kid":"dgemu", which is how the header of its tokens begins


def is_emulated(key: str) -> bool:
    return key.startswith((KEY_PREFIX, TOKEN_PREFIX))
