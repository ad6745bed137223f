"""A whole Rucio site on one machine, under one folder."""
