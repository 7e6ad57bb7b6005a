"""What a training step does besides the recurrences: the loss of a readout, clipping, and the optimizers' updates.

Shapes: N rows (samples, or steps of samples, with or without a target), D features, O outputs, P numbers trained.
``share`` [N] is the factor of a row's loss in the loss of the batch, 0 for a row without a target. Sums of squares are
in float64, as everywhere.
"""

from __future__ import annotations

import math

import numpy as np

from seqablate.engine import kernels
from seqablate.engine.kernels.cache import compiled


@compiled
def squared_error(rows, w, b, y, share, d_rows, d_w, d_b):
    """The loss ``sum_n share_n (w rows_n + b - y_n)^2``, its gradients put into the last three; O = 1.

    A product with one column is less work in a loop than in panels, and an eighth of the time to compile.
    """
    D = w.shape[1]
    loss = total = 0.0
    for j in range(D):
        d_w[0, j] = 0
    for n in range(rows.shape[0]):
        score = b[0]
        for j in range(D):
            score += rows[n, j] * w[0, j]
        error = score - y[n]
        loss += np.float64(share[n] * (error * error))
        d = share[n] * (error + error)
        total += np.float64(d)
        for j in range(D):
            d_rows[n, j] = d * w[0, j]
            d_w[0, j] += d * rows[n, j]
    d_b[0] = total
    return loss


@compiled
def _scores(rows, w_panels, b):
    """``rows @ w^T + b`` [N, padded O]."""
    found = np.zeros((rows.shape[0], w_panels.shape[0] * w_panels.shape[2]), rows.dtype)
    for n in range(rows.shape[0]):
        for o in range(b.shape[0]):
            found[n, o] = b[o]
    kernels.add_product(found, rows, w_panels)
    return found


@compiled
def _through_readout(d, rows, w_panels, d_rows, d_w, d_b):
    """From the gradient ``d`` [N, padded O] of the readout's outputs those of its input and of its weights."""
    outputs, D, width = w_panels.shape[1], rows.shape[1], w_panels.shape[2]
    found = np.zeros((rows.shape[0], w_panels.shape[0] * width), rows.dtype)
    kernels.add_product(found, d, w_panels)
    for n in range(rows.shape[0]):  # to assign a slice, numba would compile the text of an error, for seconds
        for j in range(D):
            d_rows[n, j] = found[n, j]
    sums = np.zeros((d.shape[1] // width, D, width), rows.dtype)
    kernels.add_to_panels(sums, rows.T, d)
    for o in range(outputs):
        total = 0.0
        for n in range(rows.shape[0]):
            total += np.float64(d[n, o])
        d_b[o] = total
        for j in range(D):
            d_w[o, j] = sums[o // width, j, o % width]


@compiled
def cross_entropy(rows, w_panels, transposed, b, y, share, d_rows, d_w, d_b):
    """The loss ``-sum_n share_n log softmax(w rows_n + b)[y_n]``, its gradients put into the last three.

    ``w_panels`` and ``transposed`` are w and w^T in panels.
    """
    d = _scores(rows, transposed, b)
    outputs = b.shape[0]
    loss = 0.0
    for n in range(rows.shape[0]):
        if share[n] == 0:
            for o in range(outputs):
                d[n, o] = 0
            continue
        largest = d[n, 0]
        for o in range(1, outputs):
            if not d[n, o] <= largest:  # NaN passes
                largest = d[n, o]
        total = 0.0
        for o in range(outputs):
            total += math.exp(np.float64(d[n, o] - largest))
        loss += share[n] * (math.log(total) - np.float64(d[n, y[n]] - largest))
        for o in range(outputs):
            d[n, o] = share[n] * (math.exp(np.float64(d[n, o] - largest)) / total)
        d[n, y[n]] -= share[n]
    _through_readout(d, rows, w_panels, d_rows, d_w, d_b)
    return loss


@compiled
def add_rows(d_table, ids, d_x):
    """``d_table[ids] += d_x``, the gradient of an embedding: d_table [V, I], ids [T, B], d_x [T, B, I or more]."""
    for t in range(ids.shape[0]):
        for i in range(ids.shape[1]):
            for j in range(d_table.shape[1]):
                d_table[ids[t, i], j] += d_x[t, i, j]


@compiled
def clip_norm(grads, largest):
    """Scale to a norm of at most ``largest`` (infinity: measure alone); the norm before, after, whether it was more."""
    before = kernels.norm(grads)
    if largest == math.inf:
        return before, before, False
    factor = largest / before
    if factor > 1.0 or before == 0.0:
        factor = 1.0
    if factor != 1.0:
        root = math.sqrt(factor)  # a factor of a very large norm may be below the range of the entries
        for k in range(grads.shape[0]):
            grads[k] = grads[k] * root * root
    return before, before * factor, before > largest


@compiled
def clip_value(grads, largest):
    """Cut every entry to at most ``largest``; the norm before, after, whether any was cut."""
    before, cut = kernels.norm(grads), False
    for k in range(grads.shape[0]):
        if grads[k] > largest:
            grads[k], cut = largest, True
        elif grads[k] < -largest:
            grads[k], cut = -largest, True
    return before, kernels.norm(grads), cut and not math.isnan(before)  # with NaN nothing is known to be larger


@compiled
def decay_into(grads, values, decayed, decay):
    """Coupled weight decay of the first ``decayed`` values: it is added to their gradients."""
    for k in range(decayed):
        grads[k] += decay * values[k]


@compiled
def decay_apart(values, decayed, factor):
    """Decoupled weight decay of the first ``decayed`` values: these are multiplied by ``factor``."""
    for k in range(decayed):
        values[k] *= factor


@compiled
def sgd(values, grads, velocity, lr, momentum, nesterov):
    """As ``torch.optim.SGD``; an empty ``velocity`` [0] is none."""
    if velocity.shape[0] == 0:
        for k in range(values.shape[0]):
            values[k] -= lr * grads[k]
        return
    for k in range(values.shape[0]):
        velocity[k] = momentum * velocity[k] + grads[k]
        values[k] -= lr * (grads[k] + momentum * velocity[k] if nesterov else velocity[k])


@compiled
def adam(values, grads, mean, square, step_size, beta_1, beta_2, one, root, eps):
    """As ``torch.optim.Adam``; ``step_size`` and ``root`` hold the bias corrections, ``one`` is 1 in its type."""
    for k in range(values.shape[0]):
        g = grads[k]
        mean[k] += (g - mean[k]) * (one - beta_1)
        square[k] = beta_2 * square[k] + (one - beta_2) * g * g
        values[k] -= step_size * mean[k] / (np.sqrt(square[k]) / root + eps)


@compiled
def rmsprop(values, grads, square, velocity, lr, alpha, one, eps, momentum):
    """As ``torch.optim.RMSprop``; an empty ``velocity`` [0] is none."""
    for k in range(values.shape[0]):
        g = grads[k]
        square[k] = alpha * square[k] + (one - alpha) * g * g
        g = g / (np.sqrt(square[k]) + eps)
        if velocity.shape[0] > 0:
            velocity[k] = momentum * velocity[k] + g
            g = velocity[k]
        values[k] -= lr * g


@compiled
def adagrad(values, grads, total, lr, eps):
    """As ``torch.optim.Adagrad``."""
    for k in range(values.shape[0]):
        g = grads[k]
        total[k] += g * g
        values[k] -= lr * g / (np.sqrt(total[k]) + eps)
