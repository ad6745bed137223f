"""Sentinel products without any Rucio: identifiers, readers, tiling, inference and products."""
