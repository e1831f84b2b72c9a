"""Fused training: one program, and nothing that a Keras user relies on changes."""

import time

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfgen
from tfgen.training import stacks

N = 110  # three batches of 32 and a partial one of 14


class Recorder(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.begins, self.steps, self.losses, self.tests = [], [], [], []

    def on_train_batch_begin(self, batch, logs=None):
        self.begins.append(batch)

    def on_train_batch_end(self, batch, logs=None):
        self.steps.append(batch)
        self.losses.append(float(logs["loss"]))

    def on_test_batch_end(self, batch, logs=None):
        self.tests.append(batch)


@pytest.fixture(scope="module")
def x():
    return tfgen.datasets.load_digits()[0][:N]


def make_vae(latent_dim=2, dropout=0.0, batch_normalization=False):
    layer = tfgen.layers.MultivariateNormalDiag
    encoder = [keras.layers.Input([8, 8, 1]), keras.layers.Flatten()]
    if batch_normalization:
        encoder.append(keras.layers.BatchNormalization())
    encoder += [keras.layers.Dense(layer.params_size(latent_dim)), layer(latent_dim)]
    decoder = [
        keras.layers.Input([latent_dim]),
        keras.layers.Dense(64),
        tfgen.layers.IndependentBernoulli([8, 8, 1]),
    ]
    return tfgen.models.VAE(keras.Sequential(encoder), keras.Sequential(decoder))


def train(x, optimizer=None, make=make_vae, epochs=2, fit=None, **compile_arguments):
    keras.utils.set_random_seed(3)
    vae = make()
    optimizer = optimizer() if optimizer else keras.optimizers.Adam(1e-2)
    vae.compile(optimizer, tfgen.losses.ELBO(kl="monte_carlo"), **compile_arguments)
    recorder = Recorder()
    fit = {"batch_size": 32, **(fit or {})}
    if isinstance(x, tf.data.Dataset):
        fit.pop("batch_size")
    history = vae.fit(x, epochs=epochs, callbacks=[recorder], verbose=0, **fit).history
    return vae, history, recorder


UNFUSED = {"run_eagerly": True}
FUSED = {"jit_compile": True, "steps_per_execution": 3}
LOOPED = {"jit_compile": False, "steps_per_execution": 3}
# What has nothing to do with XLA is compiled among the slow tests alone.
either_way = pytest.mark.parametrize(
    "fused", [LOOPED, pytest.param(FUSED, marks=pytest.mark.slow)], ids=["loop", "XLA"]
)


def schedule():
    return keras.optimizers.schedules.ExponentialDecay(1e-2, 2, 0.5)


OPTIMIZERS = {
    "schedule": lambda: keras.optimizers.Adam(schedule()),
    "clipping": lambda: keras.optimizers.Adam(1e-2, global_clipnorm=0.1),
    "accumulation": lambda: keras.optimizers.SGD(1e-2, gradient_accumulation_steps=3),
    "ema": lambda: keras.optimizers.Adam(1e-2, use_ema=True, ema_overwrite_frequency=2),
}


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("schedule", FUSED),
        *((name, LOOPED) for name in OPTIMIZERS if name != "schedule"),
        *(
            pytest.param(name, FUSED, marks=pytest.mark.slow)
            for name in OPTIMIZERS
            if name != "schedule"
        ),
    ],
    ids=repr,
)
def test_fused_training_is_unfused_training(x, name, options):
    plain, history, steps = train(x, OPTIMIZERS[name], **UNFUSED)
    fused, fused_history, fused_steps = train(x, OPTIMIZERS[name], **options)
    for key, values in history.items():
        np.testing.assert_allclose(fused_history[key], values, rtol=1e-5, err_msg=key)
    ends = [step for step in range(len(steps.steps)) if steps.steps[step] in (2, 3)]
    np.testing.assert_allclose(fused_steps.losses, np.array(steps.losses)[ends], rtol=1e-5)
    for a, b in zip(plain.get_weights(), fused.get_weights(), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@either_way
def test_callbacks_see_the_steps_of_the_epoch_and_none_beyond(x, fused):
    _, _, recorder = train(x, fit={"validation_data": (x[:70],)}, **fused)
    assert recorder.begins == [0, 3, 0, 3]
    assert recorder.steps == [2, 3, 2, 3]
    assert recorder.tests == [2, 2]


@pytest.mark.slow
def test_auto_is_one_execution_an_epoch_for_few_steps(x):
    _, _, recorder = train(x, jit_compile=True)
    assert recorder.steps == [3, 3]


@pytest.mark.slow
@either_way
@pytest.mark.parametrize("known_length", [True, False])
def test_datasets_train_as_arrays_do(x, known_length, fused):
    dataset = tf.data.Dataset.from_tensor_slices(x).batch(32)
    if not known_length:
        dataset = dataset.filter(lambda batch: True)
    _, history, recorder = train(dataset, **fused)
    _, expected, _ = train(x, fit={"shuffle": False}, **UNFUSED)
    np.testing.assert_allclose(history["loss"], expected["loss"], rtol=1e-5)
    assert recorder.steps == [2, 3, 2, 3]


@pytest.mark.slow
@either_way
def test_sample_weights_validation_and_batch_normalization_agree(x, fused):
    weight = np.random.default_rng(0).random(N).astype("float32")

    def make():
        return make_vae(batch_normalization=True)

    fit = {"sample_weight": weight, "validation_split": 0.2}
    _, plain, _ = train(x, make=make, fit=fit, **UNFUSED)
    _, found, _ = train(x, make=make, fit=fit, **fused)
    assert "val_elbo" in plain
    for key, values in plain.items():
        np.testing.assert_allclose(found[key], values, rtol=1e-4, err_msg=key)


@pytest.mark.slow
def test_mixed_float16_with_its_loss_scale_trains_fused(x):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        vae, history, _ = train(x, epochs=3, **FUSED)
    finally:
        keras.config.set_dtype_policy("float32")
    assert isinstance(vae.optimizer, keras.optimizers.LossScaleOptimizer)
    assert history["loss"][-1] < history["loss"][0]


@either_way
def test_early_stopping_and_tensorboard_work(x, tmp_path, fused):
    stop = keras.callbacks.EarlyStopping("loss", patience=0, min_delta=1e9)
    board = keras.callbacks.TensorBoard(tmp_path, update_freq="batch")
    vae = make_vae()
    vae.compile("adam", "elbo", **fused)
    history = vae.fit(x, epochs=5, callbacks=[stop, board], verbose=0).history
    assert len(history["loss"]) == 2
    assert list((tmp_path / "train").iterdir())


@pytest.mark.slow
def test_evaluate_and_predict_are_those_of_the_unfused_model(x):
    fused, _, _ = train(x, **FUSED)
    plain, _, _ = train(x, **UNFUSED)
    plain.set_weights(fused.get_weights())
    a = fused.evaluate(x, batch_size=32, verbose=0, return_dict=True)
    b = plain.evaluate(x, batch_size=32, verbose=0, return_dict=True)
    assert a == pytest.approx(b, rel=1e-5)
    plain.seed_generator.state.assign(fused.seed_generator.state)
    np.testing.assert_allclose(
        fused.predict(x, batch_size=32, verbose=0),
        plain.predict(x, batch_size=32, verbose=0),
        atol=1e-5,
    )


@either_way
def test_programs_are_compiled_once_not_every_epoch(x, fused):
    traces = []

    class Counting(tfgen.models.VAE):
        def train_step(self, data):
            traces.append(data.shape if tf.is_tensor(data) else None)
            return super().train_step(data)

    model = make_vae()
    vae = Counting(model.encoder, model.decoder)
    vae.compile("adam", "elbo", **fused)
    vae.fit(x, batch_size=32, epochs=5, verbose=0)
    assert len(traces) == 2  # a stack of whole batches, and the partial one


def test_run_eagerly_runs_eagerly(x):
    eager = []

    class Watching(tfgen.models.VAE):
        def train_step(self, data):
            eager.append(tf.executing_eagerly())
            return super().train_step(data)

    model = make_vae()
    vae = Watching(model.encoder, model.decoder)
    vae.compile("adam", "elbo", run_eagerly=True)
    vae.fit(x, batch_size=64, verbose=0)
    assert eager == [True, True]


@either_way
def test_train_on_batch_works_fused(x, fused):
    vae = make_vae()
    vae.compile("adam", "elbo", **fused)
    logs = vae.train_on_batch(x[:32], return_dict=True)
    assert np.isfinite(logs["loss"])


def make_convolutional_vae():
    keras.utils.set_random_seed(0)
    layer = tfgen.layers.MultivariateNormalDiag
    encoder = keras.Sequential(
        [
            keras.layers.Input([8, 8, 1]),
            keras.layers.Conv2D(2, 3),
            keras.layers.Flatten(),
            keras.layers.Dense(4),
            layer(2),
        ]
    )
    return tfgen.models.VAE(encoder, make_vae().decoder)


def test_auto_chooses_xla_for_dense_and_not_for_convolutions_on_a_cpu():
    dense = make_vae()
    dense.compile("adam")
    assert dense.jit_compile
    convolutional = make_convolutional_vae()
    convolutional.compile("adam")
    assert not convolutional.jit_compile
    convolutional.compile("adam", jit_compile=True)
    assert convolutional.jit_compile


def test_convolutions_run_in_graphs_of_several_steps_and_give_the_same(x):
    histories, last = {}, []
    ends = keras.callbacks.LambdaCallback(on_train_batch_end=lambda i, logs: last.append(i))
    for name, options in {"graphs": {}, "steps": {"jit_compile": False}}.items():
        vae = make_convolutional_vae()
        vae.compile("adam", **options)
        keras.utils.set_random_seed(1)
        fitted = vae.fit(
            *(x[:100], x[:100]),
            batch_size=32,
            epochs=2,
            verbose=0,
            validation_data=(x[100:150], x[100:150]),
            callbacks=[ends] if name == "graphs" else [],
        )
        histories[name] = fitted.history
    assert last == [3, 3]  # an execution is an epoch, whose last batch is shorter
    assert histories["graphs"].keys() == histories["steps"].keys()
    for name, values in histories["steps"].items():
        np.testing.assert_allclose(histories["graphs"][name], values, rtol=1e-5)


@pytest.mark.slow
def test_large_batches_that_are_read_come_in_smaller_stacks(x, monkeypatch):
    lengths = []

    def noting(batches, length):
        lengths.append((len(batches), length))
        return stack(batches, length)

    def fit(limit, **options):
        monkeypatch.setattr(stacks, "_STACK_BYTES", limit)
        lengths.clear()
        vae = make_convolutional_vae()
        vae.compile("adam", **options)
        keras.utils.set_random_seed(1)
        # Of unknown length: eight batches of 12, and one of 4.
        batches = tf.data.Dataset.from_tensor_slices((x[:100], x[:100])).batch(12)
        history = vae.fit(batches.filter(lambda *b: True), epochs=2, verbose=0).history
        return history["loss"], list(lengths)

    stack = stacks.stack
    monkeypatch.setattr(stacks, "stack", noting)
    bytes_of_one = 2 * x[:12].nbytes
    one_stack, at_once = fit(2**26)
    in_threes, by_three = fit(3 * bytes_of_one)
    in_twos, by_two = fit(bytes_of_one // 2)
    plain, none = fit(2**26, jit_compile=False)
    assert at_once == [(8, 100), (1, 100)] * 2
    assert by_three == [(3, 3), (3, 3), (2, 3), (1, 3)] * 2
    assert by_two == [*[(2, 2)] * 4, (1, 2)] * 2
    assert none == []
    for losses in (in_threes, in_twos, plain):
        np.testing.assert_allclose(losses, one_stack, rtol=1e-5)


@pytest.mark.parametrize(
    ("steps", "error"),
    [(0, ValueError), (-3, ValueError), (1.5, TypeError), ("x", TypeError)],
)
def test_steps_per_execution_that_is_no_positive_integer(steps, error):
    with pytest.raises(error, match="`steps_per_execution` must"):
        make_vae().compile("adam", steps_per_execution=steps)


class Python(keras.layers.Layer):
    """A call into Python, for which XLA has no kernel."""

    def call(self, x):
        shift = tf.numpy_function(lambda: np.float32(0.0), [], tf.float32, stateful=False)
        return x + tf.ensure_shape(shift, [])


def test_an_operation_that_xla_cannot_compile_is_named_with_the_way_out(x):
    model = make_vae()
    encoder = keras.Sequential(
        [keras.layers.Input([8, 8, 1]), Python(), *model.encoder.layers]
    )
    vae = tfgen.models.VAE(encoder, model.decoder)
    vae.compile("adam", "elbo", jit_compile=True)
    with pytest.raises(ValueError, match=r"(?s)`jit_compile` must be False.*PyFunc"):
        vae.fit(x, batch_size=55, verbose=0)
    vae.compile("adam", "elbo", jit_compile=False)
    vae.fit(x, verbose=0)


class EvaluateOtherData(keras.callbacks.Callback):
    def __init__(self, data):
        super().__init__()
        self.data = data

    def on_epoch_end(self, epoch, logs=None):
        self.model.evaluate(self.data, batch_size=8, verbose=0)
        self.model.predict(self.data, batch_size=8, verbose=0)


@pytest.mark.slow
@either_way
@pytest.mark.parametrize("known_length", [True, False])
def test_a_callback_may_evaluate_other_data_between_epochs(x, known_length, fused):
    dataset = tf.data.Dataset.from_tensor_slices(x).batch(32)
    data = x if known_length else dataset.filter(lambda batch: True)
    fit = {"validation_data": (x[:70],), "shuffle": False}
    _, expected, _ = train(data, fit=fit, **fused)

    def make():
        vae = make_vae()
        fit_alone = vae.fit
        vae.fit = lambda *a, callbacks, **k: fit_alone(
            *a, callbacks=[*callbacks, EvaluateOtherData(x[:9])], **k
        )
        return vae

    _, history, recorder = train(data, make=make, fit=fit, **fused)
    for key, values in expected.items():
        np.testing.assert_allclose(history[key], values, rtol=1e-5, err_msg=key)
    assert recorder.steps == [2, 3, 2, 3]


def test_steps_per_execution_outlasts_a_fit_of_fewer_steps(x):
    vae, _, _ = train(x[:32], epochs=1, jit_compile=False, steps_per_execution=3)
    vae.fit(x, batch_size=32, verbose=0)
    assert int(vae.optimizer.iterations) == 1 + 4


class WithSecondModel(tfgen.models.VAE):
    """Its loss contains the log-weights of `other`, a model of the same parts."""

    def compute_loss(self, *args, **kwargs):
        images = np.zeros([4, 8, 8, 1], np.float32)
        return super().compute_loss(*args, **kwargs) - tf.reduce_mean(
            self.other().log_weights(images, num_samples=1, seed=0)
        )


class Seconds(keras.callbacks.Callback):
    """CPU seconds of each epoch."""

    def __init__(self):
        super().__init__()
        self.of = []

    def on_epoch_begin(self, epoch, logs=None):
        self.start = time.process_time()

    def on_epoch_end(self, epoch, logs=None):
        self.of.append(time.process_time() - self.start)


def test_a_step_with_a_second_model_is_compiled_once(x):
    model = make_vae()
    other = tfgen.models.VAE(model.encoder, model.decoder)
    model = WithSecondModel(model.encoder, model.decoder)
    model.other = lambda: other
    model.compile("adam", "elbo", jit_compile=True)
    seconds = Seconds()
    model.fit(x[:96], batch_size=32, epochs=3, verbose=0, callbacks=[seconds])
    assert max(seconds.of[1:]) < 0.3 * seconds.of[0]
