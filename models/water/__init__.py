"""The water net: how much of each pixel is under water."""
