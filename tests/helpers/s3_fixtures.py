"""The S3 server, buckets and the proxy of the tests, and the line of the summary that says which server it was."""

from __future__ import annotations

import datetime
import io
import ipaddress
import json
import os
import secrets
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from minio import Minio
from minio.credentials import StaticProvider
from minio.error import S3Error
from minio.minioadmin import MinioAdmin

from helpers import minio_server
from helpers.proxy import Proxy

FOUND = pytest.StashKey[Any]()  # what find() gave or raised
USED = pytest.StashKey[list[str]]()  # the lines of the summary
NOWHERE = os.path.join(os.devnull, "none")


@dataclass(frozen=True)
class Stat:
    """What the server says of an object."""

    size: int
    etag: str
    content_type: str
    metadata: dict[str, str]  # the user's, by names without x-amz-meta-


@dataclass(frozen=True)
class Bucket:
    """A fresh bucket, looked at with a client that has nothing to do with ours."""

    name: str
    server: minio_server.Server
    client: Minio

    def uri(self, key: str) -> str:
        """Give the address of an object."""
        return f"s3://{self.name}/{key}"

    def put(self, key: str, content: bytes, *, content_type: str = "application/octet-stream", **metadata: str) -> None:
        """Write an object."""
        self.client.put_object(
            self.name, key, io.BytesIO(content), len(content), content_type=content_type, metadata=dict(metadata)
        )

    def get(self, key: str) -> bytes:
        """Read an object."""
        response = self.client.get_object(self.name, key)
        try:
            return response.read()
        finally:
            response.close()
            response.release_conn()

    def keys(self) -> set[str]:
        """Name all objects."""
        return {found.object_name or "" for found in self.client.list_objects(self.name, recursive=True)}

    def stat(self, key: str) -> Stat:
        """Give size, etag, content type and metadata of an object."""
        found = self.client.stat_object(self.name, key)
        headers = {name.lower(): value for name, value in (found.metadata or {}).items()}
        own = {name[11:]: value for name, value in headers.items() if name.startswith("x-amz-meta-")}
        return Stat(found.size or 0, found.etag or "", found.content_type or "", own)

    def exists(self, key: str) -> bool:
        """Say whether there is such an object."""
        try:
            self.stat(key)
        except S3Error as error:
            if error.code == "NoSuchKey":
                return False
            raise
        return True

    def remove(self, key: str) -> None:
        """Remove an object."""
        self.client.remove_object(self.name, key)

    def uploads(self, key: str) -> list[str]:
        """Give the ids of the unfinished multipart uploads of this key; MinIO knows them by exact key only."""
        found = self.client._list_multipart_uploads(self.name, prefix=key).uploads
        return [upload.upload_id for upload in found if upload.object_name == key]

    @property
    def env(self) -> dict[str, str]:
        """Give the environment in which AWS clients find the server, and nothing of the developer's."""
        return self._env(self.server.endpoint)

    def env_through(self, proxy: Proxy) -> dict[str, str]:
        """Give the environment in which AWS clients find the server behind the proxy."""
        return self._env(proxy.endpoint)

    def _env(self, endpoint: str) -> dict[str, str]:
        return {
            "AWS_ACCESS_KEY_ID": self.server.key,
            "AWS_SECRET_ACCESS_KEY": self.server.secret,
            "AWS_ENDPOINT_URL_S3": endpoint,
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",  # the name that botocore knows
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": NOWHERE,
            "AWS_SHARED_CREDENTIALS_FILE": NOWHERE,
            "NO_PROXY": urlsplit(endpoint).hostname or "",
            "no_proxy": urlsplit(endpoint).hostname or "",
        }

    def user(self, policy: dict[str, Any]) -> tuple[str, str]:
        """Make a user who may do what the policy document says, and give its access key and secret key."""
        if self.server.kind != "minio":
            pytest.skip(f"needs users with policies, which {self.server.kind} does not check")
        url = urlsplit(self.server.endpoint)
        root = StaticProvider(self.server.key, self.server.secret)
        admin = MinioAdmin(endpoint=url.netloc, credentials=root, secure=url.scheme == "https")
        key, secret = f"user-{secrets.token_hex(6)}", secrets.token_hex(16)
        admin.user_add(key, secret)
        admin.policy_add(key, policy=policy)
        admin.attach_policy([key], user=key)
        return key, secret


@pytest.fixture(scope="session")
def s3_server(request: pytest.FixtureRequest) -> Iterator[minio_server.Server]:
    """Give a server of this process's own, started when the first test asks for it."""
    found = request.config.stash.get(FOUND, None) or _find(request.config)
    if isinstance(found, Exception):
        raise found
    with minio_server.start(found) as server:
        lines = [f"S3 tests ran against {server.kind}: {found.how}"]
        if server.kind == "moto":
            lines = ["S3 tests ran against moto, not against a real S3 server, because:", *found.failed]
        request.config.stash[USED] = lines
        yield server


@pytest.fixture
def bucket(s3_server: minio_server.Server) -> Iterator[Bucket]:
    """Give a fresh bucket."""
    made = Bucket(f"test-{secrets.token_hex(8)}", s3_server, s3_server.client())
    made.client.make_bucket(made.name)
    yield made
    if s3_server.found.by == "endpoint":  # not ours to throw away whole
        for found in made.client.list_objects(made.name, recursive=True):
            made.remove(found.object_name or "")
        made.client.remove_bucket(made.name)
    made.client._http.clear()


@pytest.fixture
def proxy(s3_server: minio_server.Server) -> Iterator[Proxy]:
    """Give a proxy before the server."""
    with Proxy(s3_server.endpoint) as made:
        yield made


@pytest.fixture
def tls_proxy(s3_server: minio_server.Server, certificate: Path) -> Iterator[Proxy]:
    """Give a proxy before the server that speaks TLS; clients trust it with AWS_CA_BUNDLE=certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with Proxy(s3_server.endpoint, tls=context) as made:
        yield made


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a file with a self-signed certificate for 127.0.0.1, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    today = datetime.datetime.now(datetime.timezone.utc)
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    address = x509.SubjectAlternativeName(
        [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")]
    )
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(today - datetime.timedelta(days=1))
        .not_valid_after(today + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(identifier, critical=False)
        .add_extension(address, critical=False)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "certificate.pem"
    pem = serialization.Encoding.PEM
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    file.write_bytes(made.public_bytes(pem) + key.private_bytes(pem, *plain))
    return file


def pytest_configure(config: pytest.Config) -> None:
    """Keep the developer's own AWS settings from every test and from all that tests start."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]


def pytest_collection_finish(session: pytest.Session) -> None:
    """Find the server, or build it, before the first test's time runs, if any test is going to ask for it."""
    wanted = any("s3_server" in getattr(item, "fixturenames", ()) for item in session.items)
    if wanted and not session.config.option.collectonly:
        _find(session.config)


def _find(config: pytest.Config) -> Any:
    try:
        config.stash[FOUND] = minio_server.find()
    except minio_server.NoMinio as error:
        config.stash[FOUND] = error  # fails the tests that ask, with the reasons
    return config.stash[FOUND]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand the lines of the summary from a worker to the process that prints it."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["s3_server"] = json.dumps(session.config.stash.get(USED, []))


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: Any) -> None:
    """Take the lines of the summary from a worker."""
    lines = json.loads(getattr(node, "workeroutput", {}).get("s3_server", "[]"))
    if lines:
        node.config.stash[USED] = lines


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say which server the S3 tests ran against, loudly if it was an imitation."""
    lines = config.stash.get(USED, [])
    if len(lines) > 1:
        terminalreporter.section(lines[0], sep="!", red=True, bold=True)
        for line in lines[1:]:
            terminalreporter.line(f"  {line}")
    elif lines:
        terminalreporter.line(lines[0])
