"""Signed requests, verified by another implementation of RFC 9421 from what a server on this machine received."""

import asyncio
import datetime
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import http_message_signatures as signatures
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from crawlers.fetch import Fetcher
from crawlers.fetch_settings import FetchSettings
from crawlers.web_bot_auth import BotAuth, check_bot_auth, thumbprint
from schemas.settings import SettingsError
from tests.crawlers.servers import Reply, Request, WebServer

AGENT = "https://bot.example"


@dataclass
class Message:
    method: str
    url: str
    headers: dict[str, str]


class Keys(signatures.HTTPSignatureKeyResolver):
    """Finds a key in a directory by its thumbprint."""

    def __init__(self, document: str) -> None:
        self._keys = {key["kid"]: key for key in json.loads(document)["keys"]}

    def resolve_public_key(self, key_id: str) -> Ed25519PublicKey:
        import base64

        raw = self._keys[key_id]["x"]
        return Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(raw + "=" * (-len(raw) % 4)))


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    return written(tmp_path, Ed25519PrivateKey.generate())


def written(folder: Path, key: object) -> Path:
    path = folder / "key.pem"
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))  # type: ignore[attr-defined]
    return path


def published(key_file: Path) -> str:
    command = [sys.executable, "-m", "crawlers.web_bot_auth", str(key_file)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def verify(message: Message, document: str) -> signatures.VerifyResult:
    verifier = signatures.HTTPMessageVerifier(
        signature_algorithm=signatures.algorithms.ED25519, key_resolver=Keys(document)
    )
    (result,) = verifier.verify(message, max_age=datetime.timedelta(minutes=1), expect_tag="web-bot-auth")
    return result


def fetched(web: WebServer, url: str, key_file: Path) -> Request:
    settings = FetchSettings(connect_to={"a.example": web.address}, bot_auth_key=str(key_file), bot_auth_agent=AGENT)

    async def run() -> None:
        async with Fetcher(settings) as fetcher:
            await fetcher.get(url, lambda status, headers: 1000)

    asyncio.run(run())
    return web.log[-1]


@pytest.mark.parametrize("path", ["/", "/a/b?x=1&y=%C3%A4", "/%C3%BC%20x", "/a%2Fb", ""])
def test_another_implementation_verifies_what_the_server_received(web: WebServer, key_file: Path, path: str) -> None:
    web.routes["/"] = Reply(b"x")
    request = fetched(web, f"http://a.example{path}", key_file)
    result = verify(Message("GET", f"http://a.example{path or '/'}", request.headers), published(key_file))
    assert result.parameters["tag"] == "web-bot-auth"
    assert {"created", "expires", "keyid"} <= set(result.parameters)
    assert request.headers["signature-agent"] == f'sig1="{AGENT}"'
    assert any("signature-agent" in str(component) for component in result.covered_components)


@pytest.mark.parametrize(
    "changed",
    [
        {"url": "http://b.example/a"}, {"url": "http://a.example/b"}, {"method": "POST"},
        {"headers": {"signature-agent": 'sig1="https://other.example"'}},
    ],
)  # fmt: skip
def test_a_signature_holds_for_one_request_alone(key_file: Path, changed: dict[str, object]) -> None:
    headers = BotAuth(str(key_file), AGENT).headers("GET", "http://a.example/a")
    message = {"method": "GET", "url": "http://a.example/a", "headers": headers}
    verify(Message(**message), published(key_file))  # type: ignore[arg-type]
    lowered = {name.lower(): value for name, value in headers.items()}
    if "headers" in changed:
        changed = {"headers": lowered | changed["headers"]}  # type: ignore[operator]
    with pytest.raises(signatures.InvalidSignature):
        verify(Message(**(message | changed)), published(key_file))  # type: ignore[arg-type]


def test_the_thumbprint_is_that_of_rfc_8037() -> None:
    jwk = {"crv": "Ed25519", "kty": "OKP", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
    assert thumbprint(jwk) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


@pytest.mark.parametrize(
    "agent", ["", "bot.example", "http://bot.example", "https://bot.example/x", "https://bücher.example"]
)
def test_the_agent_is_an_https_origin(key_file: Path, agent: str) -> None:
    with pytest.raises(SettingsError, match="https origin"):
        BotAuth(str(key_file), agent)


def test_another_key_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="Ed25519"):
        BotAuth(str(written(tmp_path, generate_private_key(SECP256R1()))), AGENT)
    with pytest.raises(SettingsError, match=r"nowhere\.pem"):
        check_bot_auth("/nowhere.pem", AGENT)
    with pytest.raises(SettingsError, match="without"):
        check_bot_auth("", AGENT)
    check_bot_auth("", "")


def test_nothing_is_signed_without_a_key(web: WebServer) -> None:
    async def run() -> None:
        async with Fetcher(msgspec.structs.replace(FetchSettings(), connect_to={"a.example": web.address})) as fetcher:
            await fetcher.get("http://a.example/", lambda status, headers: 1000)

    asyncio.run(run())
    assert not {"signature", "signature-input", "signature-agent"} & set(web.log[-1].headers)
