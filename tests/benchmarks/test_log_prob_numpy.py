"""The evaluation of static MNIST agrees with one that shares no code with it."""

import json

import numpy as np
import pytest

PROGRAM = """
import json, sys
import numpy as np
from benchmarks import static_mnist
import tfgen

model = static_mnist.make_model()
rng = np.random.default_rng(0)
model.build((None, 784))
for layers in (model.encoder.layers, model.decoder.layers):
    for layer in layers:
        if layer.weights:
            kernel, bias = layer.get_weights()
            layer.set_weights([0.5 * kernel, bias + 0.1 * rng.normal(size=bias.shape)])
last = [layer for layer in model.encoder.layers if layer.weights][-1]
kernel, bias = last.get_weights()
bias[50:] += np.log(np.e - 1.0)  # scales near 1, so that the weights vary little
last.set_weights([0.1 * kernel, bias])
static_mnist.keep(model, sys.argv[1])
x = (rng.random([3, 784]) < 0.2).astype("float32")
np.save(sys.argv[2], x)
found = tfgen.evaluation.log_likelihood(model, x, 2000, seed=0)
print(json.dumps([found.log_prob.numpy().tolist(), found.standard_error.numpy().tolist()]))
"""

BY_NUMPY = """
import json, sys
import numpy as np
from benchmarks import log_prob_numpy

found = log_prob_numpy.log_prob(sys.argv[1], np.load(sys.argv[2]).astype(float), 2000)
print(json.dumps([part.tolist() for part in found]))
"""


@pytest.mark.slow
def test_numpy_finds_the_same_log_prob(run_python, tmp_path):
    paths = [str(tmp_path / "model.keras"), str(tmp_path / "x.npy")]
    values, errors = map(np.asarray, json.loads(run_python(PROGRAM, *paths)))
    expected, noise = map(np.asarray, json.loads(run_python(BY_NUMPY, *paths)))
    assert values.shape == (3,)
    assert max(errors.max(), noise.max()) < 0.1
    assert np.all(np.abs(values - expected) < 4.0 * np.hypot(errors, noise))
