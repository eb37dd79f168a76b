"""How a model is run in training: fast paths for the loss and its gradients."""
