"""Checksums in every form that archives give them."""

import hashlib
from pathlib import Path

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from rucio_dafab.eo.sources.checksums import Checksum, first_mismatch, multihash, named, of_entity_tag
from rucio_dafab.eo.sources.errors import SourceError

CONTENT = b"Contains modified Copernicus Sentinel data"
KNOWN = {
    "md5": ("d50110", hashlib.md5(CONTENT).hexdigest()),
    "sha1": ("1114", hashlib.sha1(CONTENT).hexdigest()),
    "sha2-256": ("1220", hashlib.sha256(CONTENT).hexdigest()),
    "sha2-512": ("1340", hashlib.sha512(CONTENT).hexdigest()),
    "sha3-256": ("1620", hashlib.sha3_256(CONTENT).hexdigest()),
    "sha3-512": ("1440", hashlib.sha3_512(CONTENT).hexdigest()),
    "blake3": ("1e20", blake3(CONTENT).hexdigest()),
}


@pytest.mark.parametrize("algorithm", KNOWN)
def test_a_multihash_is_read_and_verifies(algorithm: str, tmp_path: Path) -> None:
    code, digest = KNOWN[algorithm]
    found = multihash(code + digest)
    assert found == Checksum(algorithm, digest)
    path = tmp_path / "band.tif"
    path.write_bytes(CONTENT)
    assert first_mismatch(path, [found]) is None
    path.write_bytes(CONTENT + b"!")
    wrong = first_mismatch(path, [found])
    assert wrong is not None
    assert digest in wrong


def test_all_checksums_of_a_file_count(tmp_path: Path) -> None:
    path = tmp_path / "band.tif"
    path.write_bytes(CONTENT)
    right = [Checksum(name, digest) for name, (_, digest) in KNOWN.items()]
    assert first_mismatch(path, right) is None
    assert "sha1" in (first_mismatch(path, [*right[:1], Checksum("sha1", "0" * 40), *right[2:]]) or "")
    assert first_mismatch(path, []) is None


@pytest.mark.parametrize(
    ("name", "digest", "algorithm"),
    [("MD5", KNOWN["md5"][1], "md5"), ("SHA3-256", KNOWN["sha3-256"][1].upper(), "sha3-256"),
     ("BLAKE3", KNOWN["blake3"][1], "blake3"), ("sha256", KNOWN["sha2-256"][1], "sha2-256")],
)  # fmt: skip
def test_named_checksums(name: str, digest: str, algorithm: str) -> None:
    assert named(name, f" {digest} ") == Checksum(algorithm, digest.lower())


def test_an_unknown_kind_is_left_alone_and_a_wrong_value_refused() -> None:
    assert named("WHIRLPOOL", "00") is None
    with pytest.raises(SourceError, match="no checksum of the kind MD5"):
        named("MD5", "0" * 31)
    with pytest.raises(SourceError, match="no checksum of the kind MD5"):
        named("MD5", "g" * 32)


@pytest.mark.parametrize("text", ["", "zz", "12", "1220", "1220ab", "ffffffffffffffffffffffff", "1221" + "0" * 64])
def test_what_is_no_multihash_is_refused(text: str) -> None:
    with pytest.raises(SourceError, match="no multihash"):
        multihash(text)


def test_shortened_and_unknown_multihashes_verify_nothing() -> None:
    assert multihash("1210" + "0" * 32) is None
    assert multihash("5620" + "0" * 64) is None


@given(st.one_of(st.text(max_size=80), st.binary(max_size=40).map(bytes.hex)))
def test_any_text_is_a_multihash_or_refused(text: str) -> None:
    try:
        found = multihash(text)
    except SourceError:
        return
    assert found is None or bytes.fromhex(text).hex().endswith(found.value)


def test_entity_tags() -> None:
    digest = KNOWN["md5"][1]
    assert of_entity_tag(f'"{digest}"') == Checksum("md5", digest)
    for tag in (None, "", f'W/"{digest}"', f'"{digest}-12"', '"abc"'):
        assert of_entity_tag(tag) is None
