"""The recurrences themselves: the loop over time of a SimpleRNN and of an LSTM, with hand-written gradients.

Three things make these loops train faster on a CPU than those of `keras.layers` with the same numbers: the caller
projects all inputs in one matrix product before the loop; the gradient of the recurrent kernel is one product after
the backward loop, which itself carries only the gradient of the state; and no mask enters the loop, since sequences
are padded on the right. Everything is `keras.ops`, so that the loops run on every Keras backend.

All arrays are time-major, `(time, batch, units)`, in the dtype of `projected`.
"""

from typing import Any

from common.backend import ops

Tensor = Any


def simple_rnn_step(projected: Tensor, hidden: Tensor, recurrent_kernel: Tensor) -> Tensor:
    """One step of the simple recurrent network (Elman, 1990): h_t = tanh(z_t + h_{t-1} U).

    Args:
        projected: input times kernel plus bias, z_t, `(batch, units)`.
        hidden: h_{t-1}, `(batch, units)`.
        recurrent_kernel: U, `(units, units)`.

    Returns:
        h_t, `(batch, units)`.
    """
    return ops.tanh(projected + ops.matmul(hidden, recurrent_kernel))


def lstm_step(projected: Tensor, hidden: Tensor, cell: Tensor, recurrent_kernel: Tensor) -> tuple[Tensor, ...]:
    """One step of the LSTM (Hochreiter & Schmidhuber, 1997; forget gate by Gers et al., 2000).

    Args:
        projected: input times kernel plus bias, `(batch, 4 * units)`, gates in Keras' order: input, forget,
            candidate, output.
        hidden: h_{t-1}, `(batch, units)`.
        cell: c_{t-1}, `(batch, units)`.
        recurrent_kernel: `(units, 4 * units)`.

    Returns:
        h_t and c_t, each `(batch, units)`, and the four gates after their activations, `(batch, 4 * units)`.
    """
    z_input, z_forget, z_candidate, z_output = ops.split(projected + ops.matmul(hidden, recurrent_kernel), 4, axis=-1)
    input_gate, forget_gate, output_gate = ops.sigmoid(z_input), ops.sigmoid(z_forget), ops.sigmoid(z_output)
    candidate = ops.tanh(z_candidate)
    cell = forget_gate * cell + input_gate * candidate
    gates = ops.concatenate([input_gate, forget_gate, candidate, output_gate], axis=-1)
    return output_gate * ops.tanh(cell), cell, gates


@ops.custom_gradient
def simple_rnn(projected: Tensor, recurrent_kernel: Tensor, initial_hidden: Tensor):
    """Runs `simple_rnn_step` over time: z `(time, batch, units)` -> h `(time, batch, units)`."""

    def step(hidden, z):
        hidden = simple_rnn_step(z, hidden, recurrent_kernel)
        return hidden, hidden

    _, hiddens = ops.scan(step, initial_hidden, projected)

    def gradient(d_hiddens):
        transposed_kernel = ops.transpose(recurrent_kernel)

        def step_back(carry, t):
            d_hidden, _ = carry
            d_z = (d_hidden + d_hiddens[t]) * (1 - ops.square(hiddens[t]))
            carry = (ops.matmul(d_z, transposed_kernel), d_z)
            return carry, carry

        start = (ops.zeros_like(initial_hidden), ops.zeros_like(initial_hidden))
        (d_initial, _), (_, d_projected) = ops.scan(step_back, start, _steps(hiddens), reverse=True)
        return d_projected, _kernel_gradient(hiddens, initial_hidden, d_projected), d_initial

    return hiddens, gradient


@ops.custom_gradient
def lstm(projected: Tensor, recurrent_kernel: Tensor, initial_hidden: Tensor, initial_cell: Tensor):
    """Runs `lstm_step` over time: z `(time, batch, 4 * units)` -> h and c, each `(time, batch, units)`."""

    def step(carry, z):
        hidden, cell, _ = carry
        carry = lstm_step(z, hidden, cell, recurrent_kernel)
        return carry, carry

    no_gates = ops.zeros_like(projected[0])
    _, (hiddens, cells, gates) = ops.scan(step, (initial_hidden, initial_cell, no_gates), projected)

    def gradient(*d_outputs):
        # TensorFlow hands over one gradient an output, JAX one tuple for all.
        d_hiddens, d_cells = d_outputs if len(d_outputs) == 2 else d_outputs[0]
        cells_before = ops.concatenate([initial_cell[None], cells[:-1]], axis=0)
        transposed_kernel = ops.transpose(recurrent_kernel)

        def step_back(carry, t):
            d_hidden, d_cell, _ = carry
            d_hidden, d_cell = d_hidden + d_hiddens[t], d_cell + d_cells[t]
            d_z, d_cell = _lstm_step_gradient(gates[t], cells[t], cells_before[t], d_hidden, d_cell)
            carry = (ops.matmul(d_z, transposed_kernel), d_cell, d_z)
            return carry, carry

        start = (ops.zeros_like(initial_hidden), ops.zeros_like(initial_cell), no_gates)
        ends, (_, _, d_projected) = ops.scan(step_back, start, _steps(gates), reverse=True)
        d_initial_hidden, d_initial_cell, _ = ends
        d_kernel = _kernel_gradient(hiddens, initial_hidden, d_projected)
        return d_projected, d_kernel, d_initial_hidden, d_initial_cell

    return (hiddens, cells), gradient


def _lstm_step_gradient(gates: Tensor, cell: Tensor, cell_before: Tensor, d_hidden: Tensor, d_cell: Tensor):
    """Gradients of one LSTM step by its pre-activations, `(batch, 4 * units)`, and by the cell before it."""
    input_gate, forget_gate, candidate, output_gate = ops.split(gates, 4, axis=-1)
    tanh_cell = ops.tanh(cell)
    d_cell = d_cell + d_hidden * output_gate * (1 - ops.square(tanh_cell))
    d_z = [
        d_cell * candidate * input_gate * (1 - input_gate),
        d_cell * cell_before * forget_gate * (1 - forget_gate),
        d_cell * input_gate * (1 - ops.square(candidate)),
        d_hidden * tanh_cell * output_gate * (1 - output_gate),
    ]
    return ops.concatenate(d_z, axis=-1), d_cell * forget_gate


def _steps(sequence: Tensor) -> Tensor:
    """The indices of all steps: Keras 3.15's scan over several arrays at once needs a static length, this does not."""
    return ops.arange(ops.shape(sequence)[0])


def _kernel_gradient(hiddens: Tensor, initial_hidden: Tensor, d_projected: Tensor) -> Tensor:
    """The sum over time and batch of h_{t-1}^T dz_t, as one product, `(units, gates * units)`."""
    hiddens_before = ops.concatenate([initial_hidden[None], hiddens[:-1]], axis=0)
    rows = ops.reshape(hiddens_before, (-1, ops.shape(hiddens)[-1]))
    return ops.matmul(ops.transpose(rows), ops.reshape(d_projected, (-1, ops.shape(d_projected)[-1])))
