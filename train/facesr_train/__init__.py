"""Training of facesr-cli's networks with PyTorch: recipes, data, degradations, networks, losses, loop."""
