"""What comes in batches is checked batch by batch, however the steps are run."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfgen
from tfgen.training import FusedModel

# How the steps are run: in Python, in Keras's graph, in one program of 3, by XLA.
RUNS = {
    "eager": {"run_eagerly": True},
    "graph": {"jit_compile": False, "steps_per_execution": 1},
    "fused": {"jit_compile": False, "steps_per_execution": 3},
    "xla": {"jit_compile": True, "steps_per_execution": 3},
}

X = np.linspace(-1, 1, 32).reshape(16, 2).astype("float32")
Y = X.sum(axis=1, keepdims=True)
BAD = X.copy()
BAD[13, 1] = 7.0


class Line(FusedModel):
    """A line, which refuses what is above 5, and notes what it was asked."""

    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(1)
        self.asked = []

    def call(self, x):
        return self.dense(x)

    def check_batch(self, batch, use):
        x, y, weight = keras.utils.unpack_x_y_sample_weight(batch)
        assert all(v is None or isinstance(v, np.ndarray) for v in (x, y, weight))
        self.asked.append((use, len(x)))
        for name, value in (("x", x), ("y", y), ("sample_weight", weight)):
            if value is not None and value.max() > 5:
                raise ValueError(f"`{name}` must be at most 5; received {value.max()}.")


@pytest.fixture(scope="module", params=RUNS)
def line(request):
    model = Line()
    model.compile("sgd", "mse", **RUNS[request.param])
    model.fit(X, Y, batch_size=4, verbose=0)
    return model


def _batches(*arrays):
    data = tf.data.Dataset.from_tensor_slices(arrays if len(arrays) > 1 else arrays[0])
    return data.batch(4)


def _generator(x, y):
    for start in range(0, len(x), 4):
        yield x[start : start + 4], y[start : start + 4]


def _refused(call, match):
    with pytest.raises(Exception, match=match) as raised:
        call()
    assert type(raised.value) is ValueError


def test_a_later_batch_that_is_bad_is_refused_with_its_own_error(line):
    match = r"^`x` must be at most 5; received 7\.0\.$"
    _refused(lambda: line.fit(_batches(BAD, Y), verbose=0), match)
    _refused(lambda: line.fit(_generator(BAD, Y), verbose=0), match)
    _refused(lambda: line.evaluate(_batches(BAD, Y), verbose=0), match)
    _refused(lambda: line.fit(X, Y, validation_data=_batches(BAD, Y), verbose=0), match)
    _refused(lambda: line.fit(_batches(X, BAD[:, 1:]), verbose=0), "^`y` must")


def test_no_step_was_taken_on_a_bad_batch(line):
    before = [weight.numpy() for weight in line.weights]
    data = _batches(BAD[12:], Y[12:])
    _refused(lambda: line.fit(data, verbose=0), "^`x` must")
    for weight, value in zip(line.weights, before, strict=True):
        np.testing.assert_array_equal(weight, value)


def test_each_batch_is_checked_once_and_arrays_are_not(line):
    line.asked.clear()
    line.fit(_batches(X, Y), validation_data=_batches(X[:6], Y[:6]), epochs=2, verbose=0)
    epoch = 4 * [("fit", 4)] + [("validation", 4), ("validation", 2)]
    # A map in the dataset runs ahead of the steps.
    assert sorted(line.asked) == sorted(2 * epoch)
    line.asked.clear()
    line.evaluate(_batches(X, Y), verbose=0)
    assert line.asked == 4 * [("evaluate", 4)]
    line.asked.clear()
    line.fit(X, Y, validation_data=(X, Y), verbose=0)
    line.evaluate(X, Y, verbose=0)
    assert line.asked == []


def test_predict_is_checked_too(line):
    _refused(lambda: line.predict(_batches(BAD), verbose=0), "^`x` must be at most 5")
    np.testing.assert_allclose(
        line.predict(_batches(X), verbose=0), line.predict(X, verbose=0), rtol=1e-5
    )


def test_what_keras_ignores_beside_batches_is_an_error():
    model = Line()
    model.compile("sgd", "mse", run_eagerly=True)
    data = _batches(X, Y)
    match = "^`batch_size` must be left out.*received 2"
    _refused(lambda: model.fit(data, batch_size=2), match)
    _refused(lambda: model.fit(_generator(X, Y), batch_size=2), match)
    _refused(lambda: model.evaluate(data, batch_size=2), match)
    _refused(lambda: model.predict(data, batch_size=2), match)
    _refused(
        lambda: model.fit(X, Y, validation_data=data, validation_batch_size=2),
        "^`validation_batch_size` must be left out.*received 2",
    )
    _refused(lambda: model.fit(data, y=Y), "^`y` must be left out.*received both")
    model.fit(X, Y, batch_size=8, validation_data=data, verbose=0)


@pytest.mark.slow
@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)
def test_models_refuse_a_later_batch(run):
    layers = tfgen.layers
    encoder = keras.Sequential(
        [keras.Input([2]), keras.layers.Dense(4), layers.MultivariateNormalDiag(2)]
    )
    decoder = keras.Sequential(
        [keras.Input([2]), keras.layers.Dense(2), layers.IndependentBernoulli(2)]
    )
    vae = tfgen.models.VAE(encoder, decoder)
    vae.compile("sgd", **run)
    gan = tfgen.models.GAN(
        keras.Sequential([keras.Input([3]), keras.layers.Dense(2)]),
        keras.Sequential([keras.Input([2]), keras.layers.Dense(1)]),
        3,
    )
    gan.compile("sgd", "sgd", **run)
    outside, nan = np.abs(X), np.abs(X)
    outside[13, 1], nan[13, 1] = 7.0, np.nan
    for use, data in [(vae.fit, outside), (vae.evaluate, nan), (gan.evaluate, nan)]:
        _refused(
            lambda u=use, d=data: u(_batches(d), verbose=0),
            r"^`x` must .*received (values from 0\.\d+ to 7|NaN in example 1)\.",
        )
