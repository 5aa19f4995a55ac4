"""C2PA manifests signed with a certificate that is made here, chain and all."""

import datetime
import functools
import io
import json
from typing import Any

import c2pa
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


def _certificate(
    name: str, key: Any, issuer: str, issuer_key: Any, issuer_public: Any, *, is_ca: bool
) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC)
    names = [
        x509.Name(
            [x509.NameAttribute(NameOID.COMMON_NAME, text), x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Test")]
        )
        for text in (name, issuer)
    ]
    usage = dict.fromkeys(
        "content_commitment key_encipherment data_encipherment key_agreement encipher_only decipher_only".split(), False
    )
    builder = (
        x509.CertificateBuilder(subject_name=names[0], issuer_name=names[1], public_key=key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(digital_signature=not is_ca, key_cert_sign=is_ca, crl_sign=is_ca, **usage), critical=True
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_public), critical=False)
    )
    if not is_ca:
        usages = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
        builder = builder.add_extension(usages, critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


@functools.cache
def _signer() -> Any:
    root, own = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    chain = [
        _certificate("Signer", own, "Root", root, root.public_key(), is_ca=False),
        _certificate("Root", root, "Root", root, root.public_key(), is_ca=True),
    ]
    pem = b"".join(one.public_bytes(serialization.Encoding.PEM) for one in chain)
    key = own.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return c2pa.Signer.from_info(c2pa.C2paSignerInfo(b"es256", pem, key, None))


def signed(
    data: bytes, mime: str, label: str, entries: dict[str, str], ingredient: bytes = b"", is_bare: bool = False
) -> bytes:
    """A file with a manifest whose assertion `label` has these uses by entry; `is_bare`: by the first schemas."""
    uses = {entry: {"use": use} for entry, use in entries.items()}
    assertion = {"label": label, "data": uses if is_bare else {"entries": uses}}
    source = "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture"
    made = {"actions": [{"action": "c2pa.created", "digitalSourceType": source}]}
    manifest = {
        "claim_generator_info": [{"name": "weft-tests", "version": "1"}],
        "format": mime,
        "assertions": [{"label": "c2pa.actions.v2", "data": made}, *([assertion] if entries else [])],
    }
    out = io.BytesIO()
    settings = c2pa.Settings.from_dict(
        {"builder": {"thumbnail": {"enabled": False}}, "verify": {"verify_trust": False}}
    )
    with c2pa.Builder(json.dumps(manifest), c2pa.Context(settings)) as builder:
        if ingredient:
            described = json.dumps({"title": "part", "relationship": "componentOf"})
            builder.add_ingredient(described, mime, io.BytesIO(ingredient))
        builder.sign(_signer(), mime, io.BytesIO(data), out)
    return out.getvalue()
