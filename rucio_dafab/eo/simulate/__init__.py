"""A scene simulator: Sentinel-2 L2A SAFE products with known truth.

``simulate(seed, options)`` makes the pixels and the truth; ``write_safe(scene, folder)`` writes them as a product that
is read like a real one.
"""

from rucio_dafab.eo.simulate.errors import SimulationError
from rucio_dafab.eo.simulate.safe import write_safe, write_truth
from rucio_dafab.eo.simulate.scene import Options, SimulatedScene, simulate

__all__ = ["Options", "SimulatedScene", "SimulationError", "simulate", "write_safe", "write_truth"]
