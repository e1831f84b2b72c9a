"""The benchmark of static MNIST ends by the bound whose row it fills."""

import itertools
import json
import math
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]

# In a process of its own: the flags of one program would meet those of another.
PLAN = """
import contextlib
import io
import json
import types
from absl import flags
from benchmarks import static_mnist
import numpy as np
import tensorflow as tf
import tfgen

TIMES = [0.1, 0.2, 0.21, 0.22, 0.45]

def kernels(name):
    model = static_mnist.make_model(name, pseudo_inputs=np.zeros([500, 784]))
    model.build((None, 784))
    shapes = [list(w.shape) for w in model.trainable_weights]
    return [shape for shape in shapes if len(shape) > 1]

def loss_of_dreams():
    # Of an encoder that returns N(0, I): its value, and which weights it has a gradient in.
    model = static_mnist.make_model(num_dreams=2000)
    model.build((None, 784))
    last = [layer for layer in model.encoder.layers if layer.weights][-1]
    kernel, bias = last.get_weights()
    bias[50:] = np.log(np.e - 1.0)
    last.set_weights([0.0 * kernel, bias])
    tfgen.models.VAE.compute_loss = lambda self, *args, **kwargs: tf.constant(0.0)
    with tf.GradientTape() as tape:
        loss = model.compute_loss(x=None, y=tf.zeros([100, 784]))
    parts = [model.encoder.trainable_weights, model.decoder.trainable_weights]
    gradients = tape.gradient(loss, [[w.value for w in part] for part in parts])
    return float(loss), [[g is not None for g in part] for part in gradients]

def average_of(times):
    # Of a weight that is 1 after the first execution, 2 after the second, ...
    clock = iter(times)
    course = static_mnist.Course(lambda: next(clock), 1e-3, None)
    weight = tf.Variable([0.0])
    course.set_model(types.SimpleNamespace(trainable_weights=[weight]))
    for _ in times:
        weight.assign_add([1.0])
        course.on_train_batch_end(0)
    return float(course._average[0][0])

def best_where_phases_begin():
    course, found = static_mnist.Course(None, 1e-3, None), []
    def fit(*args, **kwargs):
        found.append(course.best)
        course.best = 1.0
    model = types.SimpleNamespace(trainable_weights=[], compile=print, fit=fit)
    with contextlib.redirect_stdout(io.StringIO()):
        static_mnist.train(model, None, static_mnist.make_phases(50), course)
    return found

flags.FLAGS.mark_as_parsed()
rate = static_mnist.paper_rate(10)

print(json.dumps({
    "rates": [float(rate(step)) for step in (0, 9, 10, 39, 40, 10_929, 10_930, 32_799)],
    "average": average_of(TIMES),
    "best": best_where_phases_begin(),
    "dreams": loss_of_dreams(),
    "phases": {
        k: [(p.loss.num_samples, p.end) for p in static_mnist.make_phases(k)]
        for k in (1, 2, 5, 10, 50)
    },
    "written": [(p.loss.num_samples, p.loss.backward_samples, p.end, p.batch_size)
                for p in static_mnist.make_phases(50, 5, ["5@0.5", "50@1@20"])],
    "kernels": {name: kernels(name) for name in ("one_layer", "two_layers", "vamp_prior")},
}))
"""


@pytest.mark.slow
def test_last_phase_is_by_the_rows_own_bound_and_the_model_is_the_papers(run_python):
    plan = json.loads(run_python(PLAN))
    for num_samples, phases in plan["phases"].items():
        samples, ends = zip(*phases, strict=True)
        assert list(ends) == sorted(set(ends))
        assert list(samples) == sorted(set(samples))
        assert phases[-1] == [int(num_samples), 1.0]
    # E -log N(z; 0, I), 50 dimensions, of 2,000 dreams beside 100 images; no more than 4
    # standard errors from it.
    loss, (encoder, decoder) = plan["dreams"]
    expected = 25.0 * (math.log(2.0 * math.pi) + 1.0)
    assert abs(loss / 20.0 - expected) < 4.0 * math.sqrt(25.0 / 2_000)
    assert all(encoder)
    assert not any(decoder)
    assert plan["written"] == [[5, None, 0.5, 100], [50, 5, 1.0, 20]]
    assert plan["best"] == [-math.inf] * 3  # so that an earlier phase's is never kept
    # Stages end after 1, 4, 13, 40, 121, 364 and 1,093 epochs, here of 10 steps.
    stages = [0, 0, 1, 1, 2, 6, 7, 7]
    rates = [1e-3 * 10 ** (-stage / 7) for stage in stages]
    assert plan["rates"] == pytest.approx(rates, rel=1e-6)
    # The mean of the weights over time t, by the density 10 t^9 / T^10.
    ends = [0.0, 0.1, 0.2, 0.21, 0.22, 0.45]
    shares = [(b**10 - a**10) / 0.45**10 for a, b in itertools.pairwise(ends)]
    expected = sum(i * share for i, share in enumerate(shares, start=1))
    assert math.isclose(plan["average"], expected, rel_tol=1e-5)
    chain = lambda *sizes: [list(pair) for pair in itertools.pairwise(sizes)]
    one = chain(784, 200, 200, 100) + chain(50, 200, 200, 784)
    assert plan["kernels"]["one_layer"] == one
    posterior = chain(784, 200, 200, 200) + chain(100, 100, 100, 100)
    prior = chain(50, 100, 100, 200)
    two = posterior + chain(100, 200, 200, 784) + prior
    assert sorted(plan["kernels"]["two_layers"]) == sorted(two)
    gated = chain(784, 300, 300) + chain(40, 300, 300)
    gated = [*gated, *gated, [300, 80], [300, 784], [500, 784]]
    assert sorted(plan["kernels"]["vamp_prior"]) == sorted(gated)


@pytest.mark.slow
def test_papers_schedule_goes_on_from_where_an_earlier_command_ended(tmp_path):
    generator = np.random.default_rng(0)
    sizes = {"train": 50, "valid": 20, "test": 20}
    images = {key: generator.integers(0, 256, [n, 98], "uint8") for key, n in sizes.items()}
    np.savez(tmp_path / "data.npz", **images)

    def run(epochs, folder):
        command = [sys.executable, "-m", "benchmarks.static_mnist", "--schedule=paper"]
        options = [f"--epochs={epochs}", f"--backup_dir={tmp_path}/{folder}"]
        options += ["--test_samples=5", f"--data={tmp_path}/data.npz"]
        printed = subprocess.run(
            [*command, *options], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout
        return re.findall(r"^Epoch \d+", printed, re.MULTILINE), printed.splitlines()[-1]

    first, _ = run(2, "twice")
    then, row = run(4, "twice")
    assert first == ["Epoch 1", "Epoch 2"]
    assert then == ["Epoch 3", "Epoch 4"]
    assert row == run(4, "once")[1]
    assert "| the paper's 4 epochs |" in row
    folders = [path.name for path in (tmp_path / "twice").iterdir()]
    assert folders == ["one_layer_k1_seed0"]  # other runs don't go on from it


@pytest.mark.slow
@pytest.mark.long
def test_row_is_of_a_model_that_learned(shared_data):
    command = [sys.executable, "-m", "benchmarks.static_mnist", "--num_samples=5"]
    options = ["--minutes=1", "--test_samples=50", f"--data={shared_data}/static_mnist.npz"]
    printed = subprocess.run(
        [*command, *options], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    row = re.search(r"\| (-[\d.]+) \| (-[\d.]+) \| (-[\d.]+) ±", printed)
    _, bound, log_prob = map(float, row.groups())
    # 50 samples bound log p(x) above 5, in the mean.
    assert -120 < bound < log_prob < -85
