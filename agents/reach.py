"""What is wrong between us and an address that does not answer as it should: asked of the address itself,
since the client libraries hardly tell an unknown authority from another host's certificate."""

import socket
import ssl
from typing import NamedTuple

from pipeline.user_error import UserError

_TIMEOUT = 3.0
_ALERT_SECONDS = 0.5  # a server that wants a client certificate says so only after the handshake
# OpenSSL's codes for a certificate that is not what we asked for.
_HOST_MISMATCH, _IP_MISMATCH, _EXPIRED, _NOT_YET = 62, 64, 10, 9


class ReachError(UserError):
    """A server that does not answer, or refuses us; the message says which, why and where to look."""


class AwayError(ReachError):
    """A server where nobody answers: it may come back."""


class Names(NamedTuple):
    """The settings that a sentence points at: of the address, whether TLS is spoken, authorities and, where
    there are such, the client certificate."""

    address: str
    protocol: str
    ca: str
    client: str


def wrong_with(host: str, port: int, context: ssl.SSLContext | None, names: Names) -> str | None:
    """What is wrong and which setting to look at; None where TLS, or plain text, is as it should be, and
    where nobody answers. `context` None: we speak plain text."""
    try:
        _speak(host, port, context or _lenient())
    except ssl.SSLCertVerificationError as error:
        return _of_certificate(error, names)
    except (ssl.SSLError, ConnectionResetError, EOFError) as error:
        if context is None:
            return None
        if "CERTIFICATE_REQUIRED" in str(error):
            return f"it wants a client certificate that it trusts: see {names.client}"
        return f"it does not speak TLS: see {names.protocol}"
    except OSError:
        return None
    return None if context else f"it speaks TLS, and we do not: see {names.protocol}"


def _speak(host: str, port: int, context: ssl.SSLContext) -> None:
    with (
        socket.create_connection((host, port), _TIMEOUT) as plain,
        context.wrap_socket(plain, server_hostname=host) as stream,
    ):
        stream.settimeout(_ALERT_SECONDS)
        try:
            stream.recv(1)
        except TimeoutError:
            return


def _of_certificate(error: ssl.SSLCertVerificationError, names: Names) -> str:
    words = error.verify_message.rstrip(".")
    if error.verify_code in (_HOST_MISMATCH, _IP_MISMATCH):
        return f"its certificate is not for this host ({words}): see {names.address}"
    if error.verify_code in (_EXPIRED, _NOT_YET):
        return f"its certificate does not hold now ({words}): renew it there, or see to our clock"
    return f"no authority that we trust signed its certificate ({words}): see {names.ca}"


def _lenient() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
