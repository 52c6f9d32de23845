"""Whether a server can listen at an address, before anything is made ready for it."""

from __future__ import annotations

import errno
import os
import socket


def check_address(host: str, port: int) -> None:
    """Refuse an address that no server can listen at.

    Args:
        host: name or address of this machine.
        port: 0 for any free one.

    Raises:
        ValueError: there is no such port or host, it is none of this machine, or the port is taken.
        OSError: the system refuses it for another reason.
    """
    if not 0 <= port <= 65535:
        raise ValueError(f"a port lies between 0 and 65535, got {port}")
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError):
        raise ValueError(f"there is no host {host!r:.80}") from None
    family, kind, _, _, address = found[0]
    with socket.socket(family, kind) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise ValueError(f"port {port} of {host} is in use; choose another one with --port") from None
            if error.errno == errno.EADDRNOTAVAIL:
                raise ValueError(f"{host} is no address of this machine; try 127.0.0.1, or 0.0.0.0 for all") from None
            if error.errno == errno.EACCES:
                raise ValueError(f"port {port} is reserved for the system; choose one from 1024 on") from None
            raise OSError(error.errno, os.strerror(error.errno or 0), f"{host}:{port}") from None
