"""Optimizers: one file each, with torch.optim's argument names. Importing this package registers them."""

from seqablate.optim import adagrad, adam, adamw, momentum, rmsprop, sgd

__all__ = ["adagrad", "adam", "adamw", "momentum", "rmsprop", "sgd"]
