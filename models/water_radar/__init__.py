"""The radar net: how much of each pixel is under water, by Sentinel-1 alone."""
