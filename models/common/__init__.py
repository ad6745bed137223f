"""What the nets share: architecture, simulated training data, the training loop, export and scores."""
