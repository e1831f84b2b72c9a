"""`jit_compile="auto"`: compiled where enough steps are ahead, and the same numbers."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.training import runs
from tfgen import random
from tfgen.training import FusedModel, program
from tfgen.training.policy import Work, steps_worth_compiling

X = runs.X  # six batches of 4
Y = X[:, :1]


class Line(FusedModel):
    """A regression whose program is small enough to be compiled in a test."""

    def __init__(self, layer=None, **options):
        super().__init__()
        self.dense = layer or keras.layers.Dense(1)
        self.dense.build([None, 6])
        self.built = True
        self.compile(keras.optimizers.SGD(0.1), "mse", **options)

    def call(self, x):
        return self.dense(x)


@pytest.fixture
def pays_from(monkeypatch):
    """Sets the number of steps from which compiling pays."""

    def set_to(steps):
        monkeypatch.setattr(program, "steps_worth_compiling", lambda work: steps)

    return set_to


def fit(model, epochs=1, x=X, **options):
    options = {"batch_size": 4, "verbose": 0, "shuffle": False, **options}
    return model.fit(x, Y[: len(x)], epochs=epochs, **options).history["loss"]


def has_compiled(model):
    """Whether XLA was given a program of the latest `fit`."""
    return model._program_of_fit._xla.experimental_get_tracing_count() > 0


def line_of_summary(model):
    lines = []
    model.summary(print_fn=lines.append)
    return next(line for line in lines if "Training steps" in line)


def test_a_fit_of_few_steps_is_not_compiled_and_one_that_goes_on_for_many_is(pays_from):
    pays_from(30.0)
    keras.utils.set_random_seed(0)
    model, compiled = Line(), Line(jit_compile=True)
    compiled.set_weights(model.get_weights())
    assert "enough of them" in line_of_summary(model)
    few = fit(model, 4)  # 24 steps
    assert not has_compiled(model)
    assert "run without XLA: 24 planned" in line_of_summary(model)
    many = fit(model, 5, initial_epoch=4)  # 24 + 6
    assert has_compiled(model)
    assert "compiled by XLA: 30 planned" in line_of_summary(model)
    np.testing.assert_allclose([*few, *many], fit(compiled, 5), rtol=1e-5)
    assert has_compiled(compiled)
    assert line_of_summary(compiled).endswith("compiled by XLA")


def test_a_partial_last_batch_is_a_step_an_epoch(pays_from):
    pays_from(9.0)
    model = Line()
    fit(model, 2, x=X[:23])  # ten whole batches, compiled; twice a batch of three
    assert model._program_of_fit._xla.experimental_get_tracing_count() == 1


def test_an_operation_without_an_xla_kernel_leaves_auto_without_xla(pays_from):
    pays_from(0.0)

    class InPython(keras.layers.Dense):
        def call(self, x):
            one = tf.numpy_function(lambda: np.float32(1.0), [], tf.float32, stateful=False)
            return super().call(x) * tf.ensure_shape(one, [])

    model = Line(InPython(1))
    assert np.isfinite(fit(model)).all()
    assert "which can't compile them" in line_of_summary(model)


def test_steps_on_single_batches_are_compiled_when_there_were_enough(pays_from):
    pays_from(2.0)
    model = Line()
    model.train_on_batch(X[:4], Y[:4])
    assert not has_compiled(model)
    model.train_on_batch(X[:4], Y[:4])
    assert has_compiled(model)


@pytest.mark.parametrize("method", ["evaluate", "predict"])
def test_evaluations_and_predictions_agree_before_and_after_compiling(pays_from, method):
    pays_from(12.0)
    model = Line()
    call = functools.partial(getattr(model, method), X, batch_size=4, verbose=0)
    first, second = (call(), call()) if method == "predict" else (call(y=Y), call(y=Y))
    np.testing.assert_allclose(second, first, rtol=1e-5)


def test_a_resumed_run_chooses_as_the_interrupted_one_bit_for_bit(pays_from, tmp_path):
    pays_from(30.0)  # the whole run has 36 steps, what is left of it fewer
    data = {"x": X, "y": Y, "batch_size": 4, "validation_data": (X[:8], Y[:8])}
    run = runs.Run(Line, fit=lambda: data)
    expected = run.train()
    assert has_compiled(expected)
    stop = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: 1 // (4 - epoch)
    )
    with pytest.raises(ZeroDivisionError):
        run.train(tmp_path, [stop])
    resumed = run.train(tmp_path)
    assert has_compiled(resumed)
    assert runs.differences(runs.outcome(expected), runs.outcome(resumed)) == []


def test_a_called_function_may_return_nothing():
    note = tf.Variable(0.0)

    @tf.function
    def write(x):
        note.assign(tf.reduce_sum(x))

    def run(x):
        write(x)
        return 2 * x

    graph = tf.function(run).get_concrete_function(tf.TensorSpec([3])).graph
    assert Work.of(graph).operations > 3


def test_called_functions_are_counted_as_if_they_were_written_out():
    def work(threefry):
        def run(x):
            return threefry(x, x, x, x)[0] + x

        spec = tf.TensorSpec([1000], tf.uint32)
        return Work.of(tf.function(run).get_concrete_function(spec).graph)

    written_out = random._threefry.__wrapped__
    np.testing.assert_allclose(work(random._threefry), work(written_out), rtol=0.05)


def test_more_work_a_step_pays_sooner():
    small, large = Work(1_000, 10**4), Work(1_000, 10**7)
    assert steps_worth_compiling(large) < steps_worth_compiling(small) <= 5_000
    assert steps_worth_compiling(Work(0, 0)) == 0.0
