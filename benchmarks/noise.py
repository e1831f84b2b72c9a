"""Nanoseconds per normal draw, under XLA, of tfgen, TensorFlow and JAX, in turn.

    python -m benchmarks.noise --rounds=7

tfgen's and JAX's numbers are Threefry2x32-20's, a function of a key and a counter;
`tf.random.stateless_normal` is Philox's or XLA's own, and
`tf.random.normal` under XLA can't be repeated.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

from absl import app, flags

_ROWS = flags.DEFINE_integer("rows", 4096, "Rows.", lower_bound=1)
_SIZE = flags.DEFINE_integer("size", 50, "Normals a row.", lower_bound=1)
_ROUNDS = flags.DEFINE_integer("rounds", 7, "Interleaved rounds.", lower_bound=1)
_JAX_PYTHON = flags.DEFINE_string("jax_python", sys.executable, "Has JAX.")
_WORKER = flags.DEFINE_string("worker", None, "Internal: run one contender.")

_CALLS = 100


def _tfgen(rows: int, size: int) -> Callable[[int], None]:
    import tensorflow as tf

    import tfgen

    @tf.function(jit_compile=True)
    def draw(seed):
        return tfgen.random.normal(tfgen.random.row_keys(seed, 0, tf.range(rows)), [size])

    return lambda i: draw(tf.constant(i, tf.int64)).numpy()


def _stateless(rows: int, size: int) -> Callable[[int], None]:
    import tensorflow as tf

    @tf.function(jit_compile=True)
    def draw(seed):
        return tf.random.stateless_normal([rows, size], tf.stack([seed, 0]))

    return lambda i: draw(tf.constant(i)).numpy()


def _stateful(rows: int, size: int) -> Callable[[int], None]:
    import tensorflow as tf

    draw = tf.function(lambda: tf.random.normal([rows, size]), jit_compile=True)
    return lambda i: draw().numpy()


def _jax(rows: int, size: int) -> Callable[[int], None]:
    import jax

    draw = jax.jit(lambda seed: jax.random.normal(jax.random.key(seed), [rows, size]))
    return lambda i: draw(i).block_until_ready()


_RUNS = {
    "tfgen.random.normal": _tfgen,
    "jax.random.normal": _jax,
    "tf.random.stateless_normal": _stateless,
    "tf.random.normal": _stateful,
}


def _work(name: str) -> None:
    draw = _RUNS[name](_ROWS.value, _SIZE.value)
    draw(0)
    seconds = []
    for i in range(_CALLS):
        start = time.perf_counter()
        draw(i)
        seconds.append(time.perf_counter() - start)
    print(json.dumps(1e9 * statistics.median(seconds) / (_ROWS.value * _SIZE.value)))


def _measure(name: str) -> float:
    python = _JAX_PYTHON.value if name.startswith("jax") else sys.executable
    command = [python, "-m", "benchmarks.noise", f"--worker={name}"]
    command += [f"--rows={_ROWS.value}", f"--size={_SIZE.value}"]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env=environment
    )
    return json.loads(done.stdout.strip().splitlines()[-1])


def main(argv: list[str]) -> None:
    del argv
    if _WORKER.value:
        _work(_WORKER.value)
        return
    rounds = [{name: _measure(name) for name in _RUNS} for _ in range(_ROUNDS.value)]
    print(f"{_ROWS.value} x {_SIZE.value}, {_ROUNDS.value} rounds\n")
    print("| | ns a normal | min–max | tfgen's ratio |")
    print("|---|---|---|---|")
    for name in _RUNS:
        values = [r[name] for r in rounds]
        ratio = statistics.median(r["tfgen.random.normal"] / r[name] for r in rounds)
        print(
            f"| {name} | {statistics.median(values):.2f} | {min(values):.2f}–"
            f"{max(values):.2f} | {ratio:.2f} |"
        )


if __name__ == "__main__":
    app.run(main)
