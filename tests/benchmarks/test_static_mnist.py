"""The benchmark of static MNIST ends by the bound whose row it fills."""

import itertools
import json
import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]

# In a process of its own: the flags of one program would meet those of another.
PLAN = """
import json
from benchmarks import static_mnist
model = static_mnist.make_model()
networks = [model.encoder, model.decoder]
print(json.dumps({
    "phases": {
        k: [(p.loss.num_samples, p.end) for p in static_mnist.make_phases(k)]
        for k in (1, 2, 5, 10, 50)
    },
    "kernels": [[list(w.shape) for w in n.trainable_weights[::2]] for n in networks],
}))
"""


def test_last_phase_is_by_the_rows_own_bound_and_the_model_is_the_papers(run_python):
    plan = json.loads(run_python(PLAN))
    for num_samples, phases in plan["phases"].items():
        samples, ends = zip(*phases, strict=True)
        assert list(ends) == sorted(set(ends))
        assert list(samples) == sorted(set(samples))
        assert phases[-1] == [int(num_samples), 1.0]
    sizes = [784, 200, 200, 100], [50, 200, 200, 784]
    expected = [[list(pair) for pair in itertools.pairwise(s)] for s in sizes]
    assert plan["kernels"] == expected


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
