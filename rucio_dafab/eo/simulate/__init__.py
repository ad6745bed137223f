"""A scene simulator: Sentinel-2 L2A SAFE products with known truth."""
