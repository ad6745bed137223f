"""The fields net: extent, boundaries and depth of agricultural parcels."""
