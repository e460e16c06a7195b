"""The broker's certificate, and the authority of its own that has signed it."""

import ipaddress
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from repsense.errors import RepSenseError

__all__ = [
    "Credentials",
    "end_of",
    "fits",
    "is_named",
    "near_end",
    "new_authority",
    "new_server",
    "parse_names",
    "reason_to_renew",
]

_OWN_NAMES = ("broker", "localhost", "127.0.0.1", "::1")
"""How the broker is called inside the deployment and on its machine."""
_PEERS = (*(f"broker-{n}" for n in (1, 2, 3)), *(f"broker-{n}.broker-peers" for n in (0, 1, 2)))
"""How the servers of a cluster call each other, in compose/cluster.yml and in kubernetes/overlays/scaled."""

_AUTHORITY_LIFE = timedelta(days=20 * 365)
"""Every gateway has a copy of it, so it should outlive them."""
_SERVER_LIFE = timedelta(days=825)
"""Apple's systems trust no server's certificate that is valid for longer."""
_RENEW_BEFORE_END = timedelta(days=400)
"""Looked at when the deployment is started, which some do once a year."""
_BACKDATED = timedelta(days=1)
"""A small computer without a battery knows the time only once it has asked for it."""
_DNS_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")


@dataclass(frozen=True, slots=True)
class Credentials:
    """A certificate and its key, as PEM."""

    certificate: str
    key: str


def parse_names(text: str) -> tuple[str, ...]:
    """Names and addresses by which the broker is reached from outside, separated by commas or spaces.

    Raises:
        RepSenseError: If one of them is neither a host's name nor an address.
    """
    names = tuple(name.lower() for name in re.split(r"[,\s]+", text) if name)
    for name in names:
        if _address(name) is None and not _DNS_NAME.fullmatch(name):
            msg = f"BROKER_NAMES: {name!r} is no name or address of a machine, such as gym.local or 192.168.1.5"
            raise RepSenseError(msg)
    return names


def new_authority(now: datetime) -> Credentials:
    """An authority that is trusted for the broker only where its certificate is given to a client."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "RepSense broker authority")])
    certificate = (
        _builder(name, name, key.public_key(), now, now + _AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    return _credentials(certificate, key)


def new_server(authority: Credentials, names: tuple[str, ...], now: datetime) -> Credentials:
    """A certificate for the broker under its own names and the given ones."""
    issuer = x509.load_pem_x509_certificate(authority.certificate.encode())
    issuer_key = serialization.load_pem_private_key(authority.key.encode(), None)
    if not isinstance(issuer_key, ec.EllipticCurvePrivateKey):
        msg = "the key of the broker's authority is not one that was made here; restore it, or make a new authority"
        raise RepSenseError(msg)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "RepSense broker")])
    until = min(now + _SERVER_LIFE, issuer.not_valid_after_utc)
    certificate = (
        _builder(name, issuer.subject, key.public_key(), now, until)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        # To other servers of its cluster it is a client, too.
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False
        )
        .add_extension(x509.SubjectAlternativeName([_general(each) for each in _all_names(names)]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            critical=False,
        )
        .sign(issuer_key, hashes.SHA256())
    )
    return _credentials(certificate, key)


def reason_to_renew(
    server: Credentials | None, authority: Credentials, names: tuple[str, ...], now: datetime
) -> str | None:
    """In words, why the broker needs another certificate; None if the one that it has will do."""
    if server is None:
        return "there was none"
    if not fits(server):
        return "the one that was there does not fit its key"
    try:
        x509.load_pem_x509_certificate(server.certificate.encode()).verify_directly_issued_by(
            x509.load_pem_x509_certificate(authority.certificate.encode())
        )
    except (ValueError, TypeError, InvalidSignature):
        return "the one that was there is not of this authority"
    if near_end(server.certificate, now):
        return f"the one that was there is valid until {end_of(server.certificate):%Y-%m-%d} only"
    if names_of(server.certificate) != {_general(each) for each in _all_names(names)}:
        return "the broker is to be reached under other names"
    return None


def fits(credentials: Credentials) -> bool:
    """Whether a key and a certificate can be read and belong together; a crash may have left two halves."""
    try:
        key = serialization.load_pem_private_key(credentials.key.encode(), None)
        return key.public_key() == x509.load_pem_x509_certificate(credentials.certificate.encode()).public_key()
    except ValueError:
        return False


def is_named(certificate: str, name: str) -> bool:
    """Whether a client that connects to this name or address will find it in the certificate."""
    # What is not in ASCII can be no name there.
    return name.isascii() and _general(name.lower()) in names_of(certificate)


def names_of(certificate: str) -> set[x509.GeneralName]:
    """The names and addresses in a certificate that was made here."""
    extensions = x509.load_pem_x509_certificate(certificate.encode()).extensions
    return set(extensions.get_extension_for_class(x509.SubjectAlternativeName).value)


def near_end(certificate: str, now: datetime) -> bool:
    """Whether a certificate should be replaced at the next opportunity."""
    return x509.load_pem_x509_certificate(certificate.encode()).not_valid_after_utc - now < _RENEW_BEFORE_END


def end_of(certificate: str) -> datetime:
    """When a certificate ends."""
    return x509.load_pem_x509_certificate(certificate.encode()).not_valid_after_utc.astimezone(UTC)


def _all_names(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*_OWN_NAMES, *_PEERS, *names)))


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None


def _general(name: str) -> x509.GeneralName:
    address = _address(name)
    return x509.DNSName(name) if address is None else x509.IPAddress(address)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, until: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(until)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _credentials(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Credentials:
    return Credentials(
        certificate.public_bytes(serialization.Encoding.PEM).decode(),
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode(),
    )
