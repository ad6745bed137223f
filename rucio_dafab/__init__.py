"""rucio-dafab: Earth observation in Rucio, findable by what is in the images.

This package is at once the library and Rucio's *policy package*: a site names it in ``[policy] package = rucio_dafab``
and Rucio then looks here for :data:`SUPPORTED_VERSION`, :func:`get_algorithms`, ``permission`` and ``schema``.
Importing it stays free of Rucio and of every heavy library, so that clients and workers pay nothing for it.
"""

from typing import Any, Final

__version__: Final = "0.1.0"

SUPPORTED_VERSION: Final = [">=41", "<42"]
"""Major versions of Rucio that this policy package works with, as specifiers (a name that Rucio's loader reads)."""


def get_algorithms() -> dict[str, dict[str, Any]]:
    """Return the algorithms that the policy package adds to Rucio: none, its own defaults serve.

    Returns:
        An empty mapping of algorithm class (``lfn2pfn``, ``scope``, …) to algorithms by name.
    """
    return {}
