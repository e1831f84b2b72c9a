"""A run that is interrupted ends as the uninterrupted one, bit for bit."""

import json
import pathlib
import re
import signal
import subprocess
import sys

import keras
import pytest
import tensorflow as tf

from tests.training import runs
from tests.training.runs import BATCH_SIZE, RUNS, X
from tfgen.callbacks import BackupAndRestore
from tfgen.training import checkpoint_file

ROOT = pathlib.Path(__file__).resolve().parents[2]


class InterruptedRunError(Exception):
    pass


class Interrupt(keras.callbacks.Callback):
    """Raises as an execution begins, the `count`-th of those that are not skipped."""

    def __init__(self, count, in_evaluation=False):
        super().__init__()
        self.count, self.in_evaluation = count, in_evaluation

    def on_train_batch_begin(self, batch, logs=None):
        self.step(in_evaluation=False)

    def on_test_batch_begin(self, batch, logs=None):
        self.step(in_evaluation=True)

    def step(self, in_evaluation):
        self.count -= in_evaluation == self.in_evaluation
        if not self.count:
            raise InterruptedRunError


def interrupted(run, directory, counts, in_evaluation=False, **options):
    """Trains to the end, interrupted so many executions after it began each time."""
    for count in counts:
        with pytest.raises(InterruptedRunError):
            run.train(directory, [Interrupt(count, in_evaluation)], **options)
    return run.train(directory, **options)


def check(run, directory, counts, **options):
    expected = runs.outcome(run.train())
    resumed = runs.outcome(interrupted(run, directory, counts, **options))
    assert runs.differences(expected, resumed) == []


def pairs():
    y = runs.X[:, :1]
    held_out = {"validation_data": (X[:8], y[:8])}
    return {"x": X, "y": y, "batch_size": BATCH_SIZE, **held_out}


def line(**options):
    """Six steps an epoch, one an execution."""
    return runs.Run(runs.line, **{"epochs": 3, "fit": pairs, **options})


# Interrupted at a save, after one, within an epoch and at its end.
@pytest.mark.parametrize(
    ("save_freq", "counts"), [("epoch", (9, 8)), (1, (4, 6)), (4, [8])]
)
def test_a_run_goes_on_exactly_from_an_epoch_or_from_within_it(tmp_path, save_freq, counts):
    check(line(save_freq=save_freq), tmp_path, counts)


def test_a_save_comes_after_whole_executions(tmp_path):
    run = runs.Run(runs.vae, save_freq=3, epochs=1)  # of 2 steps an execution
    saved = []

    class Steps(BackupAndRestore):
        def _save(self, epoch, step):
            saved.append((epoch, step))
            super()._save(epoch, step)

    keras.utils.set_random_seed(1)
    fit = {**run.fit(), "verbose": 0, "epochs": 2}
    run.model().fit(**fit, callbacks=[Steps(tmp_path, save_freq=3)])
    assert saved == [(0, 4), (1, 2), (1, 6)]


# In the process itself, which is quick; `kills.py` kills the same runs.
@pytest.mark.parametrize(
    "name", ["kl_warmup", pytest.param("dropout", marks=pytest.mark.slow)]
)
def test_fused_runs_with_counters_and_metrics_go_on_exactly(name, tmp_path):
    check(RUNS[name], tmp_path, [6])


@pytest.mark.slow
def test_a_gan_with_an_average_goes_on_from_within_an_evaluation(tmp_path):
    check(RUNS["gan"], tmp_path, [2], in_evaluation=True)


@pytest.mark.parametrize("steps_per_epoch", [None, 3])
@pytest.mark.parametrize("save_freq", ["epoch", 1])
def test_a_seeded_dataset_goes_on_in_its_order(tmp_path, steps_per_epoch, save_freq):
    def fit():
        data = runs.dataset(X, X[:, :1])
        if steps_per_epoch:
            data = data.repeat()
        held_out = pairs()["validation_data"]
        return {"x": data, "steps_per_epoch": steps_per_epoch, "validation_data": held_out}

    check(line(fit=fit, save_freq=save_freq, seed_to_go_on=1), tmp_path, [8])


@pytest.mark.slow
def test_a_run_that_stopped_early_or_is_over_trains_no_further(tmp_path):
    run = RUNS["kl_warmup"]
    expected = runs.outcome(run.train())
    assert len(expected[0]["epochs"]) < run.epochs  # stopped early
    run.train(tmp_path)
    again = run.train(tmp_path, [Interrupt(1)])
    assert runs.differences(expected, runs.outcome(again)) == []


def test_more_epochs_go_on_from_the_end(tmp_path):
    run = line()
    run.train(tmp_path, epochs=2)
    assert (
        runs.differences(runs.outcome(run.train()), runs.outcome(run.train(tmp_path))) == []
    )


def test_the_end_of_fit_removes_the_checkpoints_but_nothing_else(tmp_path):
    directory = tmp_path / "backup"
    line().train(directory, epochs=1, delete_checkpoint=True)
    assert not directory.exists()
    directory.mkdir()
    (directory / "mine").write_text("")
    line().train(directory, epochs=1, delete_checkpoint=True)
    assert [path.name for path in directory.iterdir()] == ["mine"]


@pytest.mark.parametrize("damage", ["flip", pytest.param("cut", marks=pytest.mark.slow)])
def test_a_damaged_checkpoint_is_named_and_the_one_before_is_used(tmp_path, damage):
    run = line()
    expected = runs.outcome(run.train())
    with pytest.raises(InterruptedRunError):
        run.train(tmp_path, [Interrupt(14)])
    older, newest = sorted(tmp_path.iterdir())
    content = bytearray(newest.read_bytes())
    if damage == "flip":
        content[len(content) // 2] ^= 1
    else:
        del content[-1:]
    newest.write_bytes(content)
    with pytest.warns(RuntimeWarning, match=f"{newest.name} is damaged.*{older.name}"):
        resumed = run.train(tmp_path, [Interrupt(99)])
    assert runs.differences(expected, runs.outcome(resumed)) == []


SIGTERM = """
import json, os, signal, sys, threading
import keras
import tensorflow as tf
from tests.training import runs

where, directory, options = sys.argv[1:]
tf.config.optimizer.set_experimental_options(json.loads(options))

class Preempt(keras.callbacks.Callback):
    def preempt(self, which):
        if which == where and self.epoch == 1:
            os.kill(os.getpid(), signal.SIGTERM)
    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch
    def on_train_batch_begin(self, batch, logs=None):
        if batch == 2:
            self.preempt("train")
    def on_test_batch_begin(self, batch, logs=None):
        self.preempt("test")

runs.RUNS["dropout"].train(directory, [Preempt()], save_freq=False)
"""


@pytest.mark.slow
@pytest.mark.parametrize("where", ["train", "test"])
def test_sigterm_saves_at_once_and_exits(tmp_path, processes, where):
    backup = tmp_path / "backup"
    options = json.dumps(tf.config.optimizer.get_experimental_options())  # change last bits
    process = processes.run(SIGTERM, where, backup, options, directory=tmp_path)
    assert process.returncode == 128 + signal.SIGTERM, process.stderr
    (path,) = backup.iterdir()
    progress = checkpoint_file.read(path)[0]["progress"]
    step = 4 if where == "train" else 6  # at the end of the execution; of six steps
    assert (progress["epoch"], progress["step"]) == (1, step)
    run = RUNS["dropout"]
    resumed = runs.outcome(run.train(backup))
    assert runs.differences(runs.outcome(run.train()), resumed) == []


def test_the_handler_of_sigterm_is_put_back(tmp_path):
    before = signal.getsignal(signal.SIGTERM)
    line().train(tmp_path, epochs=1)
    with pytest.raises(InterruptedRunError):
        line().train(tmp_path, [Interrupt(1)])
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_fit_after_it_begins_at_its_own_first_epoch(tmp_path):
    model = line().train(tmp_path, epochs=2)
    assert model.fit(X, X[:, :1], epochs=1, verbose=0).epoch == [0]


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ((3,), TypeError, "`directory` must be a path; received 3"),
        (("",), ValueError, "`directory` must not be empty"),
        (("a", "batch"), TypeError, "`save_freq` must be 'epoch', a number.*'batch'"),
        (("a", 0), ValueError, "`save_freq` must be at least 1; received 0"),
        (("a", True), TypeError, "`save_freq` must be .*received True"),
    ],
)
def test_bad_arguments_are_named(arguments, error, match):
    with pytest.raises(error, match=match):
        BackupAndRestore(*arguments)


def test_two_backups_and_a_foreign_model_are_refused(tmp_path):
    two = [BackupAndRestore(tmp_path), BackupAndRestore(tmp_path)]
    with pytest.raises(ValueError, match=r"may hold one `BackupAndRestore`.*received 2"):
        runs.line().fit(X, X[:, :1], callbacks=two, verbose=0)
    model = keras.Sequential([keras.layers.Input([6]), keras.layers.Dense(1)])
    model.compile("sgd", "mse", run_eagerly=True)
    with pytest.raises(TypeError, match=r"needs a model of tfgen"):
        model.fit(X, X[:, :1], callbacks=two[:1], verbose=0)


def test_another_model_or_batch_size_is_refused_and_nothing_changes(tmp_path):
    with pytest.raises(InterruptedRunError):
        line(save_freq=2).train(tmp_path, [Interrupt(4)])
    with pytest.raises(ValueError, match="is of another model or optimizer"):
        RUNS["mean_field"].train(tmp_path)
    fit = {**pairs(), "batch_size": BATCH_SIZE + 1}
    with pytest.raises(ValueError, match=r"num_batches=6; received 5\. Pass the same data"):
        line(fit=lambda: fit).train(tmp_path)


def test_data_whose_order_is_not_known_give_a_warning(tmp_path):
    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 6

        def __getitem__(self, index):
            rows = slice(index * BATCH_SIZE, (index + 1) * BATCH_SIZE)
            return X[rows], X[rows, :1]

    def fit():
        held_out = pairs()["validation_data"]
        return {"x": Batches(), "validation_data": held_out}

    run = line(fit=fit, save_freq=2)
    with pytest.raises(InterruptedRunError):
        run.train(tmp_path, [Interrupt(4)])
    with pytest.warns(RuntimeWarning, match="`x` is a Batches whose order"):
        run.train(tmp_path)


@pytest.mark.slow
def test_ten_kills_of_ten_change_no_bit():
    process = subprocess.run(
        [sys.executable, "-m", "tests.training.kills", "10"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=1800,
        check=False,
    )
    assert process.returncode == 0, process.stdout + process.stderr
    assert re.search(r"^10 kills .*, 0 runs that differ$", process.stdout, re.MULTILINE)
