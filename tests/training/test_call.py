"""A call is bound once, as Keras binds it, and a model's hook sees it whole."""

import dataclasses
import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfgen
from tfgen.training import EvaluateCall, FitCall, FusedModel, PredictCall

X = np.linspace(-1.0, 1.0, 8, dtype="float32")[:, None]
Y = 3.0 * X + 1.0


@pytest.mark.parametrize(
    ("call", "method"),
    [
        (FitCall, keras.Model.fit),
        (EvaluateCall, keras.Model.evaluate),
        (PredictCall, keras.Model.predict),
    ],
)
def test_names_order_and_defaults_are_keras_own(call, method):
    parameters = list(inspect.signature(method).parameters.values())[1:]
    keras_own = [(p.name, p.default) for p in parameters if p.kind is not p.VAR_KEYWORD]
    missing = {dataclasses.MISSING: inspect.Parameter.empty}
    ours = [(f.name, missing.get(f.default, f.default)) for f in dataclasses.fields(call)]
    assert ours == keras_own


def test_callbacks_are_a_flat_list_whatever_was_given():
    a, b = keras.callbacks.Callback(), keras.callbacks.Callback()
    assert FitCall().callbacks == []
    assert FitCall(callbacks=a).callbacks == [a]
    assert FitCall(callbacks=[a, [b]]).callbacks == [a, b]
    assert FitCall(callbacks=keras.callbacks.CallbackList([a, b])).callbacks == [a, b]


class Line(FusedModel):
    """y = a x + b, whose hooks note what they see and turn x around."""

    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(1)
        self.seen = []

    def call(self, x):
        return self.dense(x)

    def prepare_fit(self, call):
        self.seen.append(("fit", call.x, call.validation_data))
        call.x = -call.x

    def prepare_evaluate(self, call):
        self.seen.append(("evaluate", call.x))
        call.x = -call.x

    def prepare_predict(self, call):
        self.seen.append(("predict", call.x))
        call.x = -call.x


def line(**options):
    model = Line()
    model.compile(keras.optimizers.SGD(0.5), "mse", **options)
    return model


def test_a_hook_comes_once_a_call_and_what_it_changes_is_what_runs():
    model = line(run_eagerly=True)
    model.fit(X, Y, batch_size=8, epochs=20, verbose=0, validation_data=(X, Y))
    assert [name for name, *_ in model.seen] == ["fit"]  # not for the 20 validations
    np.testing.assert_allclose(model.dense.kernel, [[-3.0]], atol=1e-3)
    assert model.evaluate(X, Y, verbose=0) < 1e-5
    np.testing.assert_allclose(model.predict(X, verbose=0), Y, atol=1e-2)
    assert [name for name, *_ in model.seen] == ["fit", "evaluate", "predict"]


@pytest.mark.parametrize("method", ["fit", "evaluate"])
def test_a_model_that_was_not_compiled_is_refused(method):
    with pytest.raises(ValueError, match=rf"Call `compile\(\)` before `{method}`"):
        getattr(Line(), method)(X, Y)


def test_an_argument_that_keras_does_not_know_is_refused():
    with pytest.raises(TypeError, match="epoch_count"):
        line().fit(X, Y, epoch_count=3)


def test_a_frozen_model_is_refused():
    model = line()
    model(X)
    model.trainable = False
    with pytest.raises(ValueError, match=r"weights are all frozen. Set `trainable = True`"):
        model.fit(X, Y)


@pytest.mark.parametrize("suffix", [".h5", ".hdf5"])
def test_hdf5_is_refused_and_nothing_is_written(tmp_path, suffix):
    with pytest.raises(ValueError, match=r"must end in '.keras'.*m\.keras'"):
        line().save(tmp_path / f"m{suffix}")
    assert not list(tmp_path.iterdir())


def vae(decoder_units=2):
    layer = tfgen.layers.MultivariateNormalDiag
    encoder = keras.Sequential([keras.layers.Input([4]), keras.layers.Dense(2), layer(1)])
    decoder = keras.Sequential(
        [
            keras.layers.Input([1]),
            keras.layers.Dense(4),
            tfgen.layers.IndependentBernoulli([4]),
        ]
    )
    return tfgen.models.VAE(encoder, decoder)


def test_class_weight_and_a_frozen_vae_are_refused():
    model = vae()
    model.compile("adam", run_eagerly=True)
    with pytest.raises(ValueError, match=r"`class_weight` must be left out.*sample_weight"):
        model.fit(np.zeros([8, 4]), class_weight={0: 1.0})
    model.trainable = False
    with pytest.raises(ValueError, match="all frozen"):
        model.fit(np.zeros([8, 4]))


def test_weighted_metrics_alone_are_logged():
    model = vae()
    model.compile("adam", weighted_metrics=["mse"], run_eagerly=True)
    history = model.fit(np.zeros([8, 4]), verbose=0).history
    assert 0.0 < history["mse"][0] < 1.0  # of x = 0 and a mean in (0, 1)


@pytest.mark.parametrize(
    "options", [{"jit_compile": False}, {"jit_compile": False, "steps_per_execution": 2}]
)
def test_a_list_of_inputs_trains_as_keras_trains_it(options):
    def train(base):
        class Sum(base):
            def __init__(self):
                super().__init__()
                self.dense = keras.layers.Dense(1)

            def call(self, inputs):
                a, b = inputs
                return self.dense(a + b)

        keras.utils.set_random_seed(0)
        model = Sum()
        model.compile(keras.optimizers.SGD(0.1), "mse", **options)
        model.fit([X, X**2], Y, batch_size=3, epochs=2, shuffle=False, verbose=0)
        return model.get_weights()

    for ours, keras_own in zip(train(FusedModel), train(keras.Model), strict=True):
        np.testing.assert_allclose(ours, keras_own, atol=1e-6)


class Penalised(FusedModel):
    """Predicts w, and pays w^2 by `add_loss` beside (y - w)^2."""

    def build(self, _):
        self.w = self.add_weight(shape=(), initializer="zeros")

    def call(self, x):
        self.add_loss(self.w**2)
        return 0.0 * x + self.w


class WithALossOfItsOwn(Penalised):
    """The same, and (w + 1)^2 by an overridden `compute_loss`."""

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        loss = super().compute_loss(x, y, y_pred, sample_weight, training)
        return loss + (self.w + 1.0) ** 2


@pytest.mark.parametrize("options", [{"jit_compile": True}, {"run_eagerly": True}])
@pytest.mark.parametrize(
    # The minimum of (1 - w)^2 + w^2, and of the same with (1 + w)^2.
    ("model_class", "w", "loss"),
    [(Penalised, 0.5, 0.5), (WithALossOfItsOwn, 0.0, 2.0)],
)
def test_added_losses_and_compute_loss_count(model_class, w, loss, options):
    model = model_class()
    model.compile(keras.optimizers.SGD(0.1), "mse", **options)
    # Eight examples by three: a partial last batch is traced apart.
    history = model.fit(X, tf.ones([8, 1]), batch_size=3, epochs=20, verbose=0).history
    assert float(model.w) == pytest.approx(w, abs=1e-4)
    assert history["loss"][-1] == pytest.approx(loss, abs=1e-4)
    assert model.evaluate(X, tf.ones([8, 1]), verbose=0) == pytest.approx(loss, abs=1e-4)
