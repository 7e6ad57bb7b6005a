"""Exact gradients of every timestep: the fast path (fused, totals) beside the plain one (oracle). Tensors only."""
