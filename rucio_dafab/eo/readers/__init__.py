"""Readers: each turns one kind of folder into a :class:`rucio_dafab.eo.bands.Scene`."""
