"""`alexctl bench`: what this machine trains a second, beside PyTorch's own tutorial and beside its own peaks."""
