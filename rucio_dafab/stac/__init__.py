"""Documents as STAC 1.1: what one must be, its members by pointer, its footprint, its name. Pure: no database."""
