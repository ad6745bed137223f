"""Ports and the record of a site, without any server of ours."""

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from rucio_dafab.files import FileError
from rucio_dafab.site import ports, record
from rucio_dafab.site.home import Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "site")


@pytest.fixture
def taken() -> Iterator[int]:
    """Return a port that this process listens on."""
    with socket.create_server((ports.LOOPBACK, 0)) as server:
        yield int(server.getsockname()[1])


def test_free_ports_are_distinct_and_free() -> None:
    found = ports.free_ports(8)
    assert len(set(found)) == 8
    assert all(ports.is_free(port) for port in found)


def test_a_taken_port_is_not_free_and_its_holder_is_named(taken: int) -> None:
    assert not ports.is_free(taken)
    assert ports.holder(taken).startswith(f"process {os.getpid()} (")


@pytest.mark.parametrize("port", [-1, 0, 65536, 10**12])
def test_a_number_that_is_no_port_is_refused(port: int) -> None:
    with pytest.raises(ports.PortTaken, match=rf"^{port} is no port for this site: it must be between 1 and 65535$"):
        ports.check_free(port, "this site", "choose another")


def test_choices_are_remembered(home: Home) -> None:
    first = record.choose(home, None)
    record.save(home, first)
    assert record.choose(home, None) == first
    assert record.load(home) == first
    assert json.loads(home.site_file.read_text())["url"] == f"http://127.0.0.1:{first.http_port}"


def test_a_taken_http_port_is_refused_and_a_wanted_one_replaces_it(home: Home, taken: int) -> None:
    record.save(home, record.SiteRecord(taken, ports.free_ports(1)[0]))
    with pytest.raises(ports.PortTaken, match=rf"^port {taken} on 127\.0\.0\.1 for this site is taken by process"):
        record.choose(home, None)
    (wanted,) = ports.free_ports(1)
    assert record.choose(home, wanted).http_port == wanted


def test_a_taken_database_port_is_chosen_anew(home: Home, taken: int) -> None:
    (http_port,) = ports.free_ports(1)
    record.save(home, record.SiteRecord(http_port, taken))
    chosen = record.choose(home, None)
    assert chosen.http_port == http_port
    assert chosen.postgres_port not in {taken, http_port}


def test_the_database_never_gets_the_wanted_http_port(home: Home) -> None:
    one, other = ports.free_ports(2)
    record.save(home, record.SiteRecord(one, other))
    chosen = record.choose(home, other)
    assert chosen.http_port == other
    assert chosen.postgres_port != other


@pytest.mark.parametrize(
    "text", ["{", "[]", "{}", '{"http_port": "x", "postgres_port": 1, "sockets": "", "version": ""}']
)
def test_a_record_that_is_none_is_refused_in_one_line(home: Home, text: str) -> None:
    home.root.mkdir()
    home.site_file.write_text(text)
    with pytest.raises((record.SiteRecordError, FileError)) as refusal:
        record.load(home)
    assert str(home.site_file) in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_site_that_never_was_is_named(home: Home) -> None:
    with pytest.raises(record.SiteRecordError, match="start one with rucio-dafab up"):
        record.require(home)


@pytest.mark.parametrize("name", ["plain", "with-dash_and.dot", "größe", "a@b+c=d~e"])
def test_paths_that_configurations_carry(tmp_path: Path, name: str) -> None:
    record.check_path(Home(tmp_path / name))


@pytest.mark.parametrize("name", ["a b", "a'b", 'a"b', "a;b", "a%b", "a$b", "a\\b", "a\nb", "a#b", "a,b"])
def test_paths_that_they_do_not(tmp_path: Path, name: str) -> None:
    with pytest.raises(record.SiteRecordError) as refusal:
        record.check_path(Home(tmp_path / name))
    assert "\n" not in str(refusal.value)
