"""A training step without autograd, for plain recurrent models on compiled kernels (README.md of the room above)."""
