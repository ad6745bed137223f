"""What the simulator refuses."""

from rucio_dafab.errors import DafabError


class SimulationError(DafabError):
    """An option that no scene can be made of, or a product that cannot be written."""
