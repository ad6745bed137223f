"""DASI over a rolling FDB store and over the Rucio catalogue."""
