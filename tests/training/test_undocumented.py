"""What `tfgen.training` leans on though Keras and TensorFlow don't document it.

A test that fails here names what changed; `tfgen/training/undocumented.py` says where it
was seen.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfgen.training import undocumented

X = np.zeros([8, 1], "float32")


class Watching(keras.Model):
    """Notes how Keras's `fit` calls `evaluate` and the functions it was given."""

    def __init__(self):
        super().__init__()
        self.evaluated, self.iterators, self.elements = [], [], []

    def call(self, x):
        return x

    def evaluate(self, *args, **kwargs):
        self.evaluated.append(kwargs)
        return super().evaluate(*args, **kwargs)

    def make_train_function(self, force=False):
        def function(iterator):
            self.iterators.append(id(iterator))
            self.elements.append(int(next(iterator)))
            return {"loss": 0.0}

        self.train_function = function


def watching(**options):
    model = Watching()
    model.compile("sgd", "mse", run_eagerly=True, **options)
    return model


def counter():
    return tf.data.Dataset.counter()


def test_validation_of_fit_says_so():
    model = watching()
    model.fit(counter(), steps_per_epoch=1, validation_data=(X, X), verbose=0)
    model.evaluate(X, X, verbose=0)
    said = [undocumented.is_validation_of_fit(kwargs) for kwargs in model.evaluated]
    assert said == [True, False]


def test_one_iterator_serves_all_executions_and_epochs_and_keras_takes_nothing_from_it():
    model = watching(steps_per_execution=3)
    model.fit(counter(), steps_per_epoch=4, epochs=2, verbose=0)
    assert len(set(model.iterators)) == 1
    assert model.elements == [0, 1, 2, 3]  # two calls an epoch: 3 steps and 1


def test_fit_uses_a_callback_list_as_it_is():
    calls = []

    class List(keras.callbacks.CallbackList):
        def on_epoch_begin(self, epoch, logs=None):
            calls.append(epoch)
            super().on_epoch_begin(epoch, logs)

    model = watching()
    given = List(add_history=True, model=model, epochs=1, steps=1, verbose=0)
    model.fit(counter(), steps_per_epoch=1, callbacks=given, verbose=0)
    assert calls == [0]


def test_fit_begins_with_the_epoch_that_a_callback_sets_on_the_model():
    class Resume(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            self.model._initial_epoch = 3

    model = watching()
    assert undocumented.first_epoch(model, 1) == 1
    history = model.fit(
        counter(), steps_per_epoch=1, epochs=5, callbacks=[Resume()], verbose=0
    )
    assert history.epoch == [3, 4]
    assert undocumented.first_epoch(model, 1) == 3


def test_keras_backup_sets_that_epoch(tmp_path):
    for epochs in (2, 3):
        model = keras.Sequential([keras.layers.Input([1]), keras.layers.Dense(1)])
        model.compile("sgd", "mse", run_eagerly=True)
        backup = keras.callbacks.BackupAndRestore(tmp_path, delete_checkpoint=False)
        model.fit(X, X, epochs=epochs, callbacks=[backup], verbose=0)
    assert undocumented.first_epoch(model, 0) == 2


@pytest.mark.parametrize("in_a_loop", [True, False])
def test_refusal_of_xla_is_told_by_its_message(in_a_loop):
    def python():
        value = tf.numpy_function(lambda: np.float32(0.0), [], tf.float32, stateful=False)
        return tf.ensure_shape(value, [])

    def loop():
        return tf.while_loop(lambda x: x < 1.0, lambda x: (x + python(),), [0.0])

    program = tf.function(loop if in_a_loop else python, jit_compile=True, autograph=False)
    with pytest.raises((tf.errors.InvalidArgumentError, tf.errors.UnimplementedError)) as e:
        program()
    assert undocumented.is_refusal_of_xla(e.value.message)


def test_another_error_is_no_refusal_of_xla():
    with pytest.raises(tf.errors.InvalidArgumentError) as e:
        tf.reshape(tf.zeros([3]), [2])
    assert not undocumented.is_refusal_of_xla(e.value.message)


class Logs(keras.callbacks.Callback):
    """Gives `val_loss` a bad value from the second epoch on."""

    def on_epoch_end(self, epoch, logs=None):
        logs["val_loss"] = float(epoch)


SET_UP = {"_model", "_params", "params", "monitor_op", "min_delta"}


@pytest.mark.parametrize("kind", undocumented.COUNTERS, ids=lambda kind: kind.__name__)
def test_callbacks_count_in_these_attributes_and_in_no_others(kind, tmp_path):
    options = {
        keras.callbacks.EarlyStopping: {"patience": 2, "restore_best_weights": True},
        keras.callbacks.History: {},
        keras.callbacks.ModelCheckpoint: {
            "filepath": tmp_path / "{epoch}.weights.h5",
            "save_weights_only": True,
            "save_best_only": True,
            "save_freq": 5,
        },
        keras.callbacks.ReduceLROnPlateau: {"patience": 2, "cooldown": 3},
    }[kind]
    callback = kind(**options)
    model = keras.Sequential([keras.layers.Input([1]), keras.layers.Dense(1)])
    model.compile("sgd", "mse", run_eagerly=True)
    seen = []

    class Watch(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append(dict(vars(callback)))
            if epoch == 0 and "history" in seen[0]:
                seen[0]["history"] = {}

    fit = {"batch_size": 2, "epochs": 4, "verbose": 0}
    model.fit(X, X, **fit, callbacks=[Logs(), callback, Watch()])
    model.fit(X, X, **fit, callbacks=[Logs(), callback, Watch()])
    names = set(seen[0]) - SET_UP
    changed = {n for n in names if any(repr(v[n]) != repr(seen[0][n]) for v in seen)}
    assert changed <= set(undocumented.COUNTERS[kind])
    assert changed
    assert set(undocumented.COUNTERS[kind]) <= set(vars(callback))


def test_the_generator_of_unseeded_draws_is_found_and_is_what_keras_uses():
    keras.utils.set_random_seed(3)
    generator = undocumented.global_seed_generator(make=True)
    assert generator is undocumented.global_seed_generator()
    before = generator.state.numpy()
    first = keras.random.normal([4])
    generator.state.assign(before)
    np.testing.assert_array_equal(keras.random.normal([4]), first)
