"""What keys and tokens look like: the vendor's, the emulator's, and a gateway's, which are worthless elsewhere."""

from __future__ import annotations

import re

# What the emulator's keys and temporary tokens look like, so that they are never taken for the vendor's.
EMULATOR_KEY_PREFIX = "dgemu_"
EMULATOR_TOKEN_PREFIX = "eyJraWQiOiJkZ2VtdSIs"  # base64 of {"kid":"dgemu", which is how the header of its tokens begins


def is_emulated_key(key: str) -> bool:
    return key.startswith((EMULATOR_KEY_PREFIX, EMULATOR_TOKEN_PREFIX))


# Applications check that a key looks like one: a token has that shape, and a beginning by which we know it.
TOKEN_PREFIX = "d9b0d9e7"


def is_token(text: str) -> bool:
    """Return whether this is a token of a gateway's, of whatever run."""
    return re.fullmatch(rf"{TOKEN_PREFIX}[0-9a-f]{{32}}", text) is not None


def is_deepgrams_key(text: str) -> bool:
    """Return whether this has the shape of Deepgram's keys, and is neither a dummy nor a token of ours."""
    has_shape = re.fullmatch(r"[0-9A-Fa-f]{40}", text) is not None and len(set(text.lower())) > 1
    return has_shape and not is_token(text)


def could_be_a_key(text: str) -> bool:
    """Return whether this is a key by its shape, or one of the emulator's."""
    return is_deepgrams_key(text) or text.startswith(EMULATOR_KEY_PREFIX)


def without_credentials(text: str) -> str:
    """Return a text without what URLs in it may carry beside an address: user, password, query and fragment."""
    without_users = re.sub(r"://[^\s/?#]*@", "://", text)
    return re.sub(r"(://[^\s?#'\"]*)[?#][^\s'\"]*", r"\1", without_users)
