"""The command ``rucio-dafab``."""
