"""What DASI refuses: one line that names the key, the value or the file."""

from collections.abc import Sequence

from typing_extensions import override

from rucio_dafab.errors import DafabError


class DasiError(DafabError):
    """A refusal of the store, of a request or of a backend."""

    @override
    def __str__(self) -> str:
        """Return one line, whatever value it names."""
        return " ".join(super().__str__().splitlines())


class ConfigError(DasiError):
    """A ``dasi.yml`` that cannot be used."""


class KeyRefused(DasiError):
    """A key or value that the store cannot keep or does not know."""


class StagedError(DasiError):
    """A folder that is not a staged scene."""


class StoreError(DasiError):
    """The rolling store could not do what was asked."""


class NotStored(StoreError):
    """The store does not hold what was named."""


class Held(StoreError):
    """A product that somebody holds, by a lease or a pin, and that is therefore not removed."""


class PolicyError(DasiError):
    """A retention policy that cannot be used; the text names the file and the key."""


class ContentDiffers(StoreError):
    """Another content stands under the same identifier already."""


class ChecksumError(DasiError):
    """Bytes are not the ones that were stored; the text names the file."""


class RequestError(DasiError):
    """A request that cannot be understood or answered as written."""


class NothingFound(RequestError, NotStored):
    """A retrieve that finds nothing, and does not say that it expects so."""


class TargetError(DasiError):
    """A target that cannot be written to: outside its folder, claimed twice, or in the way."""


def tell_removed(refusal: DafabError, removed: Sequence[str]) -> None:
    """Let a refusal in the middle of a wipe say what is gone already."""
    if removed:
        refusal.args = (f"{refusal} (removed before it: {', '.join(removed)})",)
