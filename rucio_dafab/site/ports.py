"""Ports on loopback: chosen once, remembered, and whose they are when taken."""

import socket
from contextlib import ExitStack
from typing import Final

import psutil

from rucio_dafab.errors import DafabError

LOOPBACK: Final = "127.0.0.1"


class PortTaken(DafabError):
    """A port that the site needs is in use; the text names the port and its holder."""


def is_free(port: int) -> bool:
    """Say whether a server could listen on the port of the loopback address now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # Connections of a stopped server linger for a minute and hinder no server.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def free_ports(count: int) -> tuple[int, ...]:
    """Return distinct ports that are free now, as the kernel picks them."""
    with ExitStack() as open_sockets:
        probes = [open_sockets.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind((LOOPBACK, 0))
        return tuple(int(probe.getsockname()[1]) for probe in probes)


def holder(port: int) -> str:
    """Name the process that listens on a port, as well as this user may know it."""
    try:
        found = (
            connection.pid
            for connection in psutil.net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN and connection.laddr[1:] == (port,)
        )
        pid = next(found, None)
        return f"process {pid} ({psutil.Process(pid).name()})" if pid else "a process of another user"
    except psutil.Error:
        return "another process"


def check_free(port: int, what: str, remedy: str) -> None:
    """Refuse a port that somebody else uses.

    Raises:
        PortTaken: with the port, what it is for, its holder and the remedy.
    """
    if not 1 <= port <= 65535:
        raise PortTaken(f"{port} is no port for {what}: it must be between 1 and 65535")
    if port < 1024 and psutil.Process().uids().effective != 0:
        raise PortTaken(f"port {port} for {what} is below 1024 and needs root: {remedy}")
    if not is_free(port):
        raise PortTaken(f"port {port} on {LOOPBACK} for {what} is taken by {holder(port)}: stop that, or {remedy}")
