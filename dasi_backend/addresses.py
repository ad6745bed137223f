"""Addresses of objects of the rolling store: what Rucio keeps as the path of a replica.

    id=S2B_…,mission=s2b,level=l2a,date=20260614,tile=32ukv,orbit=8,time=103629,baseline=0510/kind=band,band=b04,res=10

The key of the product, then that of the object in it: FDB goes to such an object at once, whatever else it holds.
"""

from collections.abc import Mapping

from dasi_backend.errors import KeyRefused
from dasi_backend.keys import LEVEL_3, ProductKey, canonical


def address_of(key: ProductKey, level_3: Mapping[str, str]) -> str:
    """Return the address of an object of a product.

    Args:
        key: The key of the product.
        level_3: The key of the object in it.
    """
    return f"{key}/{text_of(level_3)}"


def text_of(level_3: Mapping[str, str]) -> str:
    """Return the key of an object in its product as text: ``kind=band,band=b04,res=10``."""
    return ",".join(f"{name}={level_3[name]}" for name in LEVEL_3 if level_3.get(name))


def parse_address(address: str) -> tuple[ProductKey, dict[str, str]]:
    """Return the keys that :func:`address_of` wrote.

    Raises:
        KeyRefused: if it is no such address.
    """
    product, slash, written = address.strip("/").partition("/")
    level_3 = parse_text(written)
    if not slash or "kind" not in level_3 or not level_3.keys() <= set(LEVEL_3):
        raise KeyRefused(f"{address!r} is no address of an object in the rolling store")
    return ProductKey.parse(product), {name: canonical(name, value) for name, value in level_3.items()}


def parse_text(text: str) -> dict[str, str]:
    """Return the key that :func:`text_of` wrote."""
    return dict(pair.split("=", 1) for pair in text.split(",") if "=" in pair)
