"""Bearer tokens, of which memory holds digests alone."""

import hashlib
import hmac
import pathlib
import re
import secrets
from collections.abc import Mapping
from typing import NamedTuple

from movierec_jax.errors import InputError

# Characters of a bearer token (RFC 6750), with a minimum length.
TOKEN = re.compile(r"(?:(read)\s+)?([A-Za-z0-9._~+/-]{16,}=*)")


class KnownToken(NamedTuple):
    """A token by its digest, and whether it may change anything."""

    digest: bytes
    may_write: bool


class Tokens:
    """The tokens of a service. kinds: for each token whether it may change anything."""

    def __init__(self, kinds: Mapping[str, bool]):
        self.key = secrets.token_bytes(32)
        self.replace(kinds)

    def replace(self, kinds: Mapping[str, bool]) -> None:
        """Takes other tokens in place of all."""
        self.known = [KnownToken(self.digest(token.encode()), may_write) for token, may_write in kinds.items()]

    def digest(self, token: bytes) -> bytes:
        """Returns the digest of a token, of this process alone."""
        return hashlib.blake2b(token, key=self.key, digest_size=32).digest()

    def find(self, authorization: bytes) -> KnownToken | None:
        """Returns the token in an Authorization header, None if there is none or an unknown one."""
        kind, _, given = authorization.partition(b" ")
        if kind.lower() != b"bearer":
            return None
        digest = self.digest(given.strip())
        # Compares all tokens, each in constant time, so that timing reveals nothing.
        equal = [one for one in self.known if hmac.compare_digest(digest, one.digest)]
        return equal[0] if equal else None


def read_tokens(path: str) -> dict[str, bool]:
    """Reads tokens from a text file, one per line, and for each whether it may change anything: not after `read`.

    Raises InputError for a malformed or repeated line or an empty file.
    """
    try:
        lines = pathlib.Path(path).read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise InputError(f"--tokens_file={path}: not a text file; write one token per line") from None
    tokens: dict[str, bool] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        found = TOKEN.fullmatch(line.strip())
        # The line itself may be a secret.
        if not found:
            raise InputError(
                f"{path}:{number}: not a token; use 16 or more letters, digits or -._~+/, perhaps after 'read '"
            )
        if found[2] in tokens:
            raise InputError(f"{path}:{number}: a token of an earlier line; write each once")
        tokens[found[2]] = not found[1]
    if not tokens:
        raise InputError(f"--tokens_file={path}: no tokens; write one per line")
    return tokens
