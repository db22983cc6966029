"""How letters are handed to a mail server: whom it is believed to be, and in secret."""

import asyncio
import ipaddress
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiosmtplib
import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from msgspec.structs import replace

from contracts.people import Locale
from jobs import post
from jobs.effects import Undeliverable
from jobs.letters.letter import letter
from jobs.post import Post
from tests.jobs.mail_server import Received, a_mail_server

LETTER = letter(Locale.ENGLISH, "Hello", "This is all.")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a certificate of 127.0.0.1 that nobody else signed; its key is in the same file."""
    key = generate_private_key(SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mail.test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "mail.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(private + made.public_bytes(Encoding.PEM))
    return file


@pytest.fixture
def tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture
def trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have OpenSSL trust the certificate, as an operator would."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))


def only_ann(
    _server: SMTP,
    _session: Session,
    _envelope: Envelope,
    _mechanism: str,
    told: Any,  # noqa: ANN401
) -> AuthResult:
    assert isinstance(told, LoginPassword)
    return AuthResult(success=(told.login, told.password) == (b"ann", b"p@ss"), handled=False)


async def send(received: Received, **changes: Any) -> None:  # noqa: ANN401  # any field
    server = replace(received.server, **changes)
    sender = Post(server, sender="Guichet <tickets@example.org>")
    await sender.send(LETTER, to="bob@example.org", name="order:1")


class TestAnEncryptedServer:
    @pytest.mark.usefixtures("trusted")
    @pytest.mark.parametrize("starttls", [True, None])
    async def test_is_spoken_to_in_secret_after_a_plain_hello(
        self, tls: ssl.SSLContext, *, starttls: bool | None
    ) -> None:
        async with a_mail_server(tls_context=tls, require_starttls=True) as received:
            await send(received, starttls=starttls)

        assert len(received.mails) == 1

    @pytest.mark.usefixtures("trusted")
    async def test_is_spoken_to_in_secret_from_the_first_byte(self, tls: ssl.SSLContext) -> None:
        async with a_mail_server(tls=tls) as received:
            await send(received, is_tls=True, starttls=False)

        assert len(received.mails) == 1

    async def test_is_not_believed_with_a_certificate_nobody_trusts(
        self, tls: ssl.SSLContext
    ) -> None:
        async with a_mail_server(tls_context=tls) as received:
            with pytest.raises(ssl.SSLCertVerificationError):
                await send(received, starttls=True)

        assert received.mails == []

    async def test_is_insisted_on_where_somebody_hides_that_it_is_offered(self) -> None:
        async with a_mail_server() as received:
            with pytest.raises(aiosmtplib.SMTPException):
                await send(received, starttls=True)

        assert received.mails == []


class TestAServerThatWantsALogin:
    @pytest.fixture
    async def wary(self, tls: ssl.SSLContext) -> AsyncIterator[Received]:
        async with a_mail_server(
            authenticator=only_ann, auth_required=True, tls_context=tls
        ) as received:
            yield received

    @pytest.mark.usefixtures("trusted")
    async def test_gets_it(self, wary: Received) -> None:
        await send(wary, username="ann", password="p@ss", starttls=True)

        assert len(wary.mails) == 1

    @pytest.mark.usefixtures("trusted")
    async def test_that_refuses_it_is_asked_again_later(self, wary: Received) -> None:
        with pytest.raises(aiosmtplib.SMTPAuthenticationError):
            await send(wary, username="ann", password="old", starttls=True)

        assert wary.mails == []


class TestAServerThatRefuses:
    async def test_shows_the_address_to_nobody(self) -> None:
        async with a_mail_server() as received:
            received.answers["bob@example.org"] = "550 no bob@example.org here"
            with pytest.raises(Undeliverable) as caught:
                await send(received)

        assert "bob" not in str(caught.value)
        assert caught.value.__suppress_context__


class TestAServerThatIsSilent:
    async def test_is_left_before_the_claim_on_the_letter_ends(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(post, "_CONVERSATION_SECONDS", 0.2)

        async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()

        async with a_mail_server() as received:
            silent = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
            with pytest.raises(TimeoutError) as caught:
                await send(received, port=silent.sockets[0].getsockname()[1])
            silent.close()
            await silent.wait_closed()

        # The library waits long for each word of a conversation of many.
        assert not isinstance(caught.value, aiosmtplib.SMTPException)
