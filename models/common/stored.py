"""What lies beside a net: checksums of its files, and the figures that were measured of it."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def checksum(path: Path) -> str:
    """Return the SHA-256 of a file, hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def store_evaluation(content: Mapping[str, Any], model: Path) -> Path:
    """Write what was measured of a net as ``evaluation.json`` beside it, with the checksum of what was measured."""
    path = model.with_name("evaluation.json")
    path.write_text(json.dumps({"sha256": checksum(model), **content}, indent=1, ensure_ascii=False) + "\n")
    return path
