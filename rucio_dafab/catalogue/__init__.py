"""STAC documents on Rucio DIDs, in Rucio's own database and transaction."""
