"""Certificates, keys and kubeconfigs of a cluster for tests. Called by `control_plane` and `nodes`."""

import base64
import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

MASTERS = "system:masters"
_DAYS = 3650
_PEM = serialization.Encoding.PEM
SERVER_NAMES = (
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
)


@dataclass(frozen=True)
class Pki:
    """A folder with everything; `ca.crt` and `ca.key` sign the rest."""

    folder: Path
    _certificate: x509.Certificate
    _key: ec.EllipticCurvePrivateKey

    def issue(self, name: str, common_name: str, organization: str = "", hosts: tuple[str, ...] = ()) -> None:
        """NAME.crt and NAME.key: of a server if there are hosts, else of a client."""
        key = ec.generate_private_key(ec.SECP256R1())
        purpose = ExtendedKeyUsageOID.SERVER_AUTH if hosts else ExtendedKeyUsageOID.CLIENT_AUTH
        made = _builder(_subject(common_name, organization), self._certificate.subject, key.public_key())
        made = made.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        if hosts:
            made = made.add_extension(
                x509.SubjectAlternativeName([_host(one) for one in hosts]), critical=False
            )
        certificate = made.sign(self._key, hashes.SHA256())
        _write(self.folder, name, certificate, key)

    def kubeconfig(self, name: str, server: str) -> Path:
        """For the client whose certificate NAME.crt is."""
        path = self.folder / f"{name}.kubeconfig"
        user = {
            "client-certificate-data": _base64(self.folder / f"{name}.crt"),
            "client-key-data": _base64(self.folder / f"{name}.key"),
        }
        return write_kubeconfig(path, server, self.folder / "ca.crt", user)


def write_kubeconfig(path: Path, server: str, authority: Path, user: dict[str, str]) -> Path:
    cluster = {"server": server, "certificate-authority-data": _base64(authority)}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "tests", "cluster": cluster}],
        "users": [{"name": "tests", "user": user}],
        "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": "tests"}}],
        "current-context": "tests",
    }
    path.write_text(yaml.safe_dump(document))
    path.chmod(0o600)
    return path


def create(folder: Path) -> Pki:
    folder.mkdir(parents=True, exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _subject("tests-ca", "")
    made = _builder(subject, subject, key.public_key(), is_authority=True).sign(key, hashes.SHA256())
    _write(folder, "ca", made, key)
    _write_account_keys(folder)
    return Pki(folder, made, key)


def _write_account_keys(folder: Path) -> None:
    """The pair by which tokens of ServiceAccounts are signed and checked."""
    key = rsa.generate_private_key(65537, 2048)
    (folder / "sa.key").write_bytes(_key_pem(key))
    public = key.public_key().public_bytes(_PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    (folder / "sa.pub").write_bytes(public)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, *, is_authority: bool = False
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder(issuer, subject, key, x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=_DAYS))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(_usage(is_authority), critical=True)
    )


def _usage(is_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        encipher_only=False,
        decipher_only=False,
    )


def _subject(common_name: str, organization: str) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization)] if organization else []
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _host(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _write(folder: Path, name: str, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
    (folder / f"{name}.crt").write_bytes(certificate.public_bytes(_PEM))
    (folder / f"{name}.key").write_bytes(_key_pem(key))


def _key_pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    form = serialization.PrivateFormat.TraditionalOpenSSL
    return key.private_bytes(_PEM, form, serialization.NoEncryption())


def _base64(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
