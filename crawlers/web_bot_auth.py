"""Requests signed by who crawls: Web Bot Auth, draft-ietf-webbotauth-httpsig-protocol-00, over RFC 9421.

Sites tell a crawler that signs from one that borrows its name. The key is Ed25519; its public half is published at
`{agent}/.well-known/http-message-signatures-directory`:

    openssl genpkey -algorithm ed25519 -out key.pem
    python -m crawlers.web_bot_auth key.pem > http-message-signatures-directory
"""

import base64
import hashlib
import json
import sys
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from schemas.settings import SettingsError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

DIRECTORY = "/.well-known/http-message-signatures-directory"
DIRECTORY_TYPE = "application/http-message-signatures-directory+json"
_LABEL = "sig1"
_COVERED = f'("@method" "@authority" "@path" "signature-agent";key="{_LABEL}")'
_VALID_S = 300
_PORTS = {"http": 80, "https": 443}


def check_bot_auth(key_file: str, agent: str) -> None:
    """Raises `SettingsError` as `BotAuth` does; an agent without a key is one, too."""
    if key_file:
        BotAuth(key_file, agent)
    elif agent:
        raise SettingsError("fetch.bot_auth_agent is set without fetch.bot_auth_key: nothing would be signed")


class BotAuth:
    """Signs requests with the key in a PEM file, as the agent whose directory lies at an https origin.

    Raises `SettingsError` for another kind of key and another kind of origin.
    """

    def __init__(self, key_file: str, agent: str) -> None:
        # A build without requests signs nothing, and these take a twentieth of the time in which it starts.
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        try:
            with open(key_file, "rb") as file:
                key = load_pem_private_key(file.read(), None)
        except (OSError, ValueError, TypeError) as error:
            raise SettingsError(f"fetch.bot_auth_key {key_file}: {error}") from None
        if not isinstance(key, Ed25519PrivateKey):
            raise SettingsError(f"fetch.bot_auth_key {key_file}: not an Ed25519 key")
        parts = urlsplit(agent)
        if parts.scheme != "https" or not parts.netloc or parts.path.strip("/") or parts.query or not agent.isascii():
            raise SettingsError(f"fetch.bot_auth_agent: an https origin such as https://bot.example, not {agent!r}")
        self._key, self._agent = key, f"https://{parts.netloc}"
        self._key_id = thumbprint(public_jwk(key))

    def headers(self, method: str, url: str) -> dict[str, str]:
        """The three headers of a request; `url` is encoded as it is sent."""
        created = int(time.time())
        agent = f'"{self._agent}"'
        parameters = (
            f'{_COVERED};created={created};expires={created + _VALID_S};keyid="{self._key_id}";'
            'alg="ed25519";tag="web-bot-auth"'
        )
        parts = urlsplit(url)
        host = (parts.hostname or "").lower()
        host = f"[{host}]" if ":" in host else host
        authority = host if parts.port in (None, _PORTS.get(parts.scheme)) else f"{host}:{parts.port}"
        base = "\n".join(
            (
                f'"@method": {method}',
                f'"@authority": {authority}',
                f'"@path": {parts.path or "/"}',
                f'"signature-agent";key="{_LABEL}": {agent}',
                f'"@signature-params": {parameters}',
            )
        )
        signature = base64.b64encode(self._key.sign(base.encode("ascii"))).decode()
        return {
            "Signature-Agent": f"{_LABEL}={agent}",
            "Signature-Input": f"{_LABEL}={parameters}",
            "Signature": f"{_LABEL}=:{signature}:",
        }


def public_jwk(key: "Ed25519PrivateKey") -> dict[str, str]:
    """The public half by RFC 8037: the members that its thumbprint is over."""
    raw = key.public_key().public_bytes_raw()
    return {"crv": "Ed25519", "kty": "OKP", "x": _base64url(raw)}


def thumbprint(jwk: dict[str, str]) -> str:
    """By RFC 7638."""
    return _base64url(hashlib.sha256(json.dumps(jwk, sort_keys=True, separators=(",", ":")).encode()).digest())


def directory(key_file: str) -> str:
    """The directory document of one key, to be served as `DIRECTORY_TYPE`."""
    jwk = public_jwk(BotAuth(key_file, "https://any.example")._key)
    return json.dumps({"keys": [{**jwk, "kid": thumbprint(jwk), "use": "sig"}]}, indent=1)


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


if __name__ == "__main__":
    print(directory(sys.argv[1]))
