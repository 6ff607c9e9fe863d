"""Prechelt's criteria written down as the paper has them, over whole histories.

Reference: Prechelt, "Early Stopping - But When?", 1998, section 2.1. Symbols: t counts epochs from
1, E_va and E_tr are lists of errors whose item t - 1 belongs to epoch t.
"""

import numpy as np


def generalization_loss(e_va, t):
    """GL(t) = 100 (E_va(t) / E_opt(t) - 1), E_opt(t) = min over t' <= t of E_va(t')."""
    return 100.0 * (e_va[t - 1] / np.min(e_va[:t]) - 1.0)


def progress(e_tr, t, k):
    """P_k(t) = 1000 (sum of E_tr over the strip / (k min of E_tr over the strip) - 1)."""
    strip = np.asarray(e_tr[t - k : t])
    return 1000.0 * (strip.sum() / (k * strip.min()) - 1.0)


def stop_by_gl(e_va, alpha):
    """First epoch t with GL(t) > alpha, or None."""
    return next((t for t in range(1, len(e_va) + 1) if generalization_loss(e_va, t) > alpha), None)


def stop_by_pq(e_va, e_tr, alpha, k):
    """First end-of-strip epoch t with GL(t) / P_k(t) > alpha, or None."""
    for t in range(k, len(e_va) + 1, k):
        if generalization_loss(e_va, t) / progress(e_tr, t, k) > alpha:
            return t
    return None


def _up_would_stop(e_va, t, s, k):
    if s == 0:
        return True
    if t - k < k:
        return False
    return e_va[t - 1] > e_va[t - k - 1] and _up_would_stop(e_va, t - k, s - 1, k)


def stop_by_up(e_va, s, k):
    """First end-of-strip epoch t for which UP_{s-1} stops after t - k and E_va(t) > E_va(t - k)."""
    return next((t for t in range(k, len(e_va) + 1, k) if _up_would_stop(e_va, t, s, k)), None)
