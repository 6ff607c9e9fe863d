"""Second derivatives of a loss by the weights, from the graph that computed it."""

import torch

# What second derivatives are taken from: the loss's tape, which lasts until `backward`.
SOURCE = "tape"


def _gradients(loss, values):
    gradients = torch.autograd.grad(loss, values, create_graph=True, allow_unused=True)
    return [torch.zeros_like(v) if g is None else g for g, v in zip(gradients, values, strict=True)]


def hessian(loss, variables):
    """d^2 loss / dw^2 [n, n] over all variables' numbers, in order."""
    values = [v.value for v in variables]
    gradient = torch.cat([g.reshape(-1) for g in _gradients(loss, values)])
    size = gradient.numel()
    if not gradient.requires_grad:
        return torch.zeros((size, size), dtype=gradient.dtype, device=gradient.device)
    rows = torch.autograd.grad(
        gradient,
        values,
        grad_outputs=torch.eye(size, dtype=gradient.dtype, device=gradient.device),
        is_grads_batched=True,
        retain_graph=True,
        allow_unused=True,
    )
    blocks = [
        gradient.new_zeros((size, v.numel())) if r is None else r.reshape(size, -1)
        for r, v in zip(rows, values, strict=True)
    ]
    return torch.cat(blocks, 1).detach()


def hessian_vector_product(loss, variables, vectors):
    """The Hessian times a vector that is given in the variables' shapes; the same shapes back."""
    values = [v.value for v in variables]
    gradients = _gradients(loss, values)
    pairs = [(g, u) for g, u in zip(gradients, vectors, strict=True) if g.requires_grad]
    if not pairs:
        return [torch.zeros_like(v) for v in values]
    products = torch.autograd.grad(
        [g for g, _ in pairs],
        values,
        grad_outputs=[u.detach() for _, u in pairs],
        retain_graph=True,
        allow_unused=True,
    )
    return [
        torch.zeros_like(v) if p is None else p.detach()
        for p, v in zip(products, values, strict=True)
    ]


def gauss_newton_loss(loss, outputs, variables):
    """A loss whose Hessian is the loss's generalised Gauss-Newton matrix.

    A(w) = L(w) - sum_i s_i o_i(w) with the slopes s = dL/do held fixed: the curvature of the
    outputs o drops out; that of the loss in its outputs and that of penalties stay.

    Args:
        loss: The loss, a tensor.
        outputs: The list of the model's outputs.
        variables: Unused here; the same arguments on all backends.
    """
    slopes = torch.autograd.grad(loss, outputs, retain_graph=True, allow_unused=True)
    parts = [
        (slope.detach() * output).sum()
        for slope, output in zip(slopes, outputs, strict=True)
        if slope is not None
    ]
    return loss - sum(parts)
