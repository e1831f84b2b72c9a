r"""Writes tfgen's XLA programs to files that a GPU machine with JAX alone can run.

    python -m benchmarks.gpu --output_dir=out/gpu
    python ../shared/gpu/run_hlo.py out/gpu/train.hlo out/gpu/train.npz

Each program is written with its arguments and with what it returned here, on the CPU, so
`run_hlo.py` checks the numbers as well as the time. Programs: `train`, 100 training steps
as `fit` runs them; `noise`, normals by row key; `sample`, what a model serves.
"""

import os
import re
from collections.abc import Callable

import numpy as np
import tensorflow as tf
from absl import app, flags

import tfgen
from benchmarks.peers.task import LATENT, Task, data
from benchmarks.peers.tfgen_fit import make_model
from tfgen.training.program import loop_of_steps

_OUTPUT_DIR = flags.DEFINE_string("output_dir", "out/gpu", "Where the programs go.")
_STEPS = flags.DEFINE_integer("steps", 100, "Training steps in `train`.", lower_bound=1)
_NUM_SAMPLES = flags.DEFINE_integer("num_samples", 1, "K in `train`.", lower_bound=1)
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 100, "In `train`.", lower_bound=1)


_INPUT_OUTPUT_ALIAS = 8  # of xla.HloModuleProto


def without_donation(module: bytes) -> bytes:
    """A serialised HLO module that does not overwrite its arguments.

    TensorFlow's program writes variables in place, which uses up the buffers of their old
    values; to be timed it has to run many times on the same ones.
    """
    kept, at = bytearray(), 0
    while at < len(module):
        start = at
        tag, at = _varint(module, at)
        if tag & 7 == 2:
            size, at = _varint(module, at)
            at += size
        elif tag & 7 == 0:
            _, at = _varint(module, at)
        else:
            at += 8 if tag & 7 == 1 else 4
        if tag >> 3 != _INPUT_OUTPUT_ALIAS:
            kept += module[start:at]
    return bytes(kept)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value, shift = 0, 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def _assigned(text: str) -> list[tuple[int, int]]:
    """(output, parameter) of each variable that a module in text form writes in place."""
    header = text.split("\n", 1)[0]
    pairs = re.findall(r"\{(\d+)\}: \((\d+), \{\}", header)
    return sorted((int(output), int(parameter)) for output, parameter in pairs)


def write(name: str, function: Callable, *arguments: tf.Tensor) -> None:
    """Writes one program, its arguments and its outputs.

    Args:
        name: of the two files, without ending.
        function: takes the arguments; may read and assign variables.
        *arguments: tensors.
    """
    program = tf.function(function, jit_compile=True, autograph=False)
    concrete = program.get_concrete_function(*arguments)
    ir = program.experimental_get_compiler_ir(*arguments)
    base = os.path.join(_OUTPUT_DIR.value, name)
    with open(f"{base}.hlo", "wb") as file:
        file.write(without_donation(ir(stage="hlo_serialized")))
    captured = concrete.captured_inputs
    by_handle = {id(v.handle): v for v in concrete.variables}
    variables = [by_handle.get(id(tensor)) for tensor in captured]
    inputs = [np.asarray(a) for a in arguments]
    inputs += [
        np.asarray(tensor if variable is None else variable)
        for tensor, variable in zip(captured, variables, strict=True)
    ]
    outputs = [np.asarray(o) for o in tf.nest.flatten(program(*arguments))]
    # The program returns, after its results, the variables that it assigned, even where
    # their values stayed, in the places that its header says.
    for output, parameter in _assigned(ir(stage="hlo")):
        assert output == len(outputs), (output, len(outputs))
        outputs.append(np.asarray(variables[parameter - len(arguments)]))
    arrays = {f"arg{i}": value for i, value in enumerate(inputs)}
    arrays |= {f"out{i}": value for i, value in enumerate(outputs)}
    np.savez(f"{base}.npz", **arrays)
    print(f"{base}.hlo: {len(inputs)} arguments, {len(outputs)} outputs")


def main(argv: list[str]) -> None:
    del argv
    os.makedirs(_OUTPUT_DIR.value, exist_ok=True)
    task = Task(_NUM_SAMPLES.value, _BATCH_SIZE.value)
    model = make_model(task)
    model.optimizer.build(model.trainable_variables)
    x = tf.constant(data(_STEPS.value * task.batch_size))
    batches = tf.reshape(x, [_STEPS.value, task.batch_size, -1])
    step = loop_of_steps(model.train_step, model, None)
    write("train", lambda b: step(b, tf.constant(_STEPS.value), ()), batches)

    def noise(seed: tf.Tensor) -> tf.Tensor:
        return tfgen.random.normal(tfgen.random.row_keys(seed, 0, tf.range(4096)), [LATENT])

    write("noise", noise, tf.constant(7, tf.int64))
    seeds = tf.range(4096, dtype=tf.int64)
    write(
        "sample", lambda s: model._sample_by_key(tfgen.random.row_keys(s, 0, 0), {}), seeds
    )


if __name__ == "__main__":
    app.run(main)
