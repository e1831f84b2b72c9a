"""Several replicas and several workers give the losses of one with the whole batch."""

import json
import os
import pathlib
import socket
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

ROOT = pathlib.Path(__file__).resolve().parents[2]

MODEL = """
import json, os, sys
import keras, numpy as np, tensorflow as tf, tfgen

x = tfgen.datasets.load_digits()[0][:107]  # the last batch, of 11, divides by nothing
weight = np.linspace(0.5, 1.5, len(x)).astype("float32")

def vae():
    layer = tfgen.layers.MultivariateNormalDiag
    encoder = keras.Sequential([
        keras.layers.Input([8, 8, 1]), keras.layers.Flatten(),
        keras.layers.Dense(4), layer(2)])
    decoder = keras.Sequential([
        keras.layers.Input([2]), keras.layers.Dense(64),
        tfgen.layers.IndependentBernoulli([8, 8, 1])])
    model = tfgen.models.VAE(encoder, decoder)
    model.compile(keras.optimizers.Adam(1e-2), "elbo")
    return model

def vae_built_by_fit():
    layer = tfgen.layers.MultivariateNormalDiag
    encoder = keras.Sequential([
        keras.layers.Flatten(), keras.layers.Dense(4), layer(2)])
    decoder = keras.Sequential([
        keras.layers.Dense(64), tfgen.layers.IndependentBernoulli([8, 8, 1])])
    model = tfgen.models.VAE(encoder, decoder)
    model.compile(keras.optimizers.Adam(1e-2), "elbo")
    return model

def gan():
    generator = keras.Sequential([
        keras.layers.Input([2]), keras.layers.Dense(64), keras.layers.Reshape([8, 8, 1])])
    discriminator = keras.Sequential([
        keras.layers.Input([8, 8, 1]), keras.layers.Flatten(), keras.layers.Dense(1)])
    model = tfgen.models.GAN(generator, discriminator, 2)
    model.compile(keras.optimizers.Adam(1e-3), keras.optimizers.Adam(1e-3))
    return model

def evaluate(make, strategy=None):
    keras.utils.set_random_seed(0)
    with (strategy or tf.distribute.get_strategy()).scope():
        model = make()
    return model.evaluate(x, batch_size=32, verbose=0, return_dict=True)

def train(make, strategy=None, epochs=2, callbacks=(), **kwargs):
    keras.utils.set_random_seed(0)
    with (strategy or tf.distribute.get_strategy()).scope():
        model = make()
    return model.fit(x, batch_size=32, epochs=epochs, verbose=0,
                     validation_data=x[:51], callbacks=list(callbacks), **kwargs).history
"""

MIRRORED = (
    MODEL
    + """
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])

def refuses(bad):
    with strategy.scope():
        model = vae()
    data = x.copy()
    data[50] = bad
    try:
        batches = tf.data.Dataset.from_tensor_slices(data).batch(32)
        return len(model.fit(batches, verbose=0).history["loss"])
    except ValueError as error:
        return str(error)

class Ends(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.steps = []

    def on_train_batch_end(self, batch, logs=None):
        self.steps.append(batch)

def ends(data, strategy=strategy, **kwargs):
    keras.utils.set_random_seed(0)
    with strategy.scope():
        model = vae()
        model.compile("adam", "elbo", **kwargs)
    callback = Ends()
    history = model.fit(data, batch_size=None if data is unknown else 32, epochs=2,
                        verbose=0, callbacks=[callback]).history
    return callback.steps, history["loss"]

# Only its end tells how many batches there are.
unknown = tf.data.Dataset.from_tensor_slices(x).batch(32).filter(lambda batch: True)

print(json.dumps([
    [ends(x), ends(x, steps_per_execution=3)],
    [ends(unknown, steps_per_execution=3),
     ends(unknown, tf.distribute.OneDeviceStrategy("CPU:0"), jit_compile=False)],
    [train(vae, sample_weight=weight), train(vae, strategy, sample_weight=weight)],
    [train(vae_built_by_fit), train(vae_built_by_fit, strategy)],
    [train(gan), train(gan, strategy)],
    [evaluate(gan), evaluate(gan, strategy)],
    [refuses(1.0), refuses(7.0)],
]))
"""
)

WORKER = (
    MODEL
    + """
strategy = tf.distribute.MultiWorkerMirroredStrategy()

class Die(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 2:
            os._exit(17)

backup, dies = sys.argv[1:]
callbacks = [keras.callbacks.BackupAndRestore(backup, delete_checkpoint=False)]
callbacks += [Die()] if dies == "yes" else []
print(json.dumps(train(vae, strategy, 4, callbacks)))
"""
)


def check(histories, rtol=1e-5):
    alone, together = histories
    assert alone.keys() == together.keys()
    for name, values in alone.items():
        np.testing.assert_allclose(together[name], values, rtol=rtol, err_msg=name)


@pytest.mark.slow
def test_two_replicas_train_as_one(run_python):
    arrays, batches, vae, unbuilt, gan, gan_at_first, refused = json.loads(
        run_python(MIRRORED)
    )
    # Callbacks see the last step of each program: of all four steps, of three, of one.
    in_threes = [2, 3, 2, 3]
    assert [steps for steps, _ in arrays] == [[3, 3], in_threes]
    assert [steps for steps, _ in batches] == [in_threes, [0, 1, 2, 3] * 2]
    for (_, losses), (_, expected) in (arrays, batches):
        np.testing.assert_allclose(losses, expected, rtol=1e-5)
    check(vae)
    check(unbuilt)  # `fit` is called outside of the strategy's scope
    check(gan)
    # Before training has amplified any rounding; `ess` is of the global batch, nonlinear.
    check(gan_at_first, rtol=1e-6)
    # Batches of a dataset are checked before they are split.
    good, bad = refused
    assert good == 1  # epoch
    assert bad.startswith("`x` must lie in [0, 1]")


def test_one_replica_trains_when_fit_is_called_outside_of_its_scope():
    code = {}
    exec(MODEL, code)
    with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
        model = code["vae"]()
    history = model.fit(code["x"], batch_size=107, epochs=1, verbose=0).history
    assert 30.0 < history["loss"][0] < 60.0  # 64 log 2 = 44, and a KL


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def run_workers(tmp_path, dies):
    addresses = [f"127.0.0.1:{free_port()}" for _ in range(2)]
    workers = []
    for index in range(2):
        config = {
            "cluster": {"worker": addresses},
            "task": {"type": "worker", "index": index},
        }
        environment = {
            **os.environ,
            "TF_CONFIG": json.dumps(config),
            "PYTHONPATH": str(ROOT),
        }
        arguments = [tmp_path / f"backup{index}", "yes" if dies else "no"]
        workers.append(
            subprocess.Popen(
                [sys.executable, "-c", WORKER, *map(str, arguments)],
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    try:
        return [(w.communicate(timeout=240), w.returncode) for w in workers]
    finally:
        for worker in workers:
            worker.kill()


@pytest.mark.slow
def test_two_workers_train_as_one_and_resume_after_they_were_killed(tmp_path, run_python):
    killed = run_workers(tmp_path, dies=True)
    assert [code for _, code in killed] == [17, 17]
    resumed = run_workers(tmp_path, dies=False)
    alone = json.loads(run_python(MODEL + "print(json.dumps(train(vae, epochs=4)))"))
    for (out, err), code in resumed:
        assert code == 0, err[-3000:]
        history = json.loads(out.strip().splitlines()[-1])
        for name, values in alone.items():
            assert len(history[name]) == 2  # epochs 2 and 3
            assert history[name] == pytest.approx(values[2:], rel=1e-5), name
