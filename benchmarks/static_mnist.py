r"""Static MNIST: the tables of arXiv 1509.00519 and 1705.07120, one command for each row.

    python -m benchmarks.static_mnist --num_samples=50 --minutes=30
    python -m benchmarks.static_mnist --model=two_layers --num_samples=50 --minutes=40
    python -m benchmarks.static_mnist --model=vamp_prior --minutes=30
    python -m benchmarks.static_mnist --evaluate=k50.keras --num_samples=50

Trains a model by L_K with K `num_samples`, for that many minutes (compiling and validation
included), and prints log p(x) of the 10,000 test images by 5,000 importance samples
beside the published figure. Minutes are wall time, or with `--clock=cpu` the process's
CPU time on one thread, which other work on the machine does not change. The models:

- `one_layer`: 784-200-200-50 with tanh, arXiv 1509.00519 (Burda and others).
- `two_layers`: 784-200-200-100 and 100-100-100-50 with tanh, of the same paper.
- `standard_prior`, `vamp_prior`: two gated layers of 300 and 40 latents, arXiv 1705.07120
  (Tomczak and Welling), the latter with 500 pseudo-inputs that start at training images.

Weights are chosen on `valid` alone, in the last phase. Differences from the papers:

- Adam's rate rises for the first 2 % of the time, stays for half of it, and falls to 0 by
  half a cosine; weights decay by `weight_decay` times the rate a step.
- The weight of the KL rises from 0 to 1 over the first 15 %.
- The gradient is that of DReG, which for K = 1 is sticking-the-landing.
- K rises over the training, see `--phases`: 1 for a quarter of the time, 5 up to 70 % of
  it where that is less than `num_samples`, then `num_samples`; and from K = 10 on the
  gradient is computed for one of the K samples, drawn by weight.
- With `--dreams=N` the encoder learns from N samples of the model at each step, too
  (arXiv 2205.11640), which it can't overfit: they are new at every step.
- The result is an average of the weights, over about the last tenth of the time.

`--schedule=paper` is the training of arXiv 1509.00519 instead: batches of 20, Adam at 1e-3
times 10^(-i/7) for 3^i epochs, i from 0 to 7, no choice of weights, no clock. After a
kill it continues from `--backup_dir`. `--epochs=N` prints the row after N of the 3,280
epochs, and a later command with a larger N goes on from there.

The effect of each of these is in `benchmarks/RESULTS.md`. `--output=NAME.keras` saves
the model, and `--evaluate` prints the row of a saved one: a file, or a name in
`saved_models/`; give its `--model` and `--num_samples` too, which choose test L_K and the
published figure. With `--check_images=200` log p(x) of as many test images is estimated by
annealed importance sampling, too, and is printed beside importance sampling's;
`benchmarks.log_prob_numpy` takes the same images.

The data are read from `--data`; see `tfgen.datasets.load_static_mnist`.
"""

import math
import os
import pathlib
import time
from collections.abc import Callable
from typing import Any, NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow is imported

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from absl import app, flags

import tfgen

tfd = tfp.distributions

_ROOT = pathlib.Path(__file__).resolve().parent.parent

_MODEL = flags.DEFINE_enum(
    "model",
    "one_layer",
    ["one_layer", "two_layers", "standard_prior", "vamp_prior"],
    "The networks and the prior.",
)
_NUM_SAMPLES = flags.DEFINE_integer("num_samples", 1, "K of L_K.", lower_bound=1)
_MINUTES = flags.DEFINE_float("minutes", 30.0, "Of training.", lower_bound=0.0)
_CLOCK = flags.DEFINE_enum(
    "clock", "wall", ["wall", "cpu"], "What minutes are of; `cpu` trains on one thread."
)
_SCHEDULE = flags.DEFINE_enum(
    "schedule", "clock", ["clock", "paper"], "Ours by `--minutes`, or the paper's epochs."
)
_SEED = flags.DEFINE_integer("seed", 0, "Of weights, noise and the order of the data.")
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 100, "Examples a step.", lower_bound=1)
_LEARNING_RATE = flags.DEFINE_float("learning_rate", 1e-3, "Adam's, at its highest.")
_WEIGHT_DECAY = flags.DEFINE_float("weight_decay", 0.03, "As of `keras.optimizers.AdamW`.")
_BACKWARD_SAMPLES = flags.DEFINE_integer(
    "backward_samples", None, "Of L_K; 1 from K = 10 on and K below, unless given."
)
_PHASES = flags.DEFINE_list(
    "phases",
    None,
    "K and the share of the time when its phase ends, as 1@0.25,5@0.7,50@1; a third part "
    "is the batch size, as in 50@1@20.",
)
_ENCODER_DROPOUT = flags.DEFINE_float(
    "encoder_dropout",
    0.0,
    "Share of pixels that the encoder does not see while it is trained.",
    lower_bound=0.0,
    upper_bound=1.0,
)
_DREAMS = flags.DEFINE_integer(
    "dreams",
    0,
    "Samples of a one-layer model that its encoder learns from at each step.",
    lower_bound=0,
)
_TEST_SAMPLES = flags.DEFINE_integer("test_samples", 5000, "For log p(x).", lower_bound=2)
_DATA = flags.DEFINE_string(
    "data", str(_ROOT.parent / "shared" / "data" / "static_mnist.npz"), "The images."
)

_OUTPUT = flags.DEFINE_string("output", None, "A `.keras` file for the trained model.")
_EVALUATE = flags.DEFINE_string(
    "evaluate", None, "Evaluate this instead of training: a file, or a name."
)
_CHECK_IMAGES = flags.DEFINE_integer(
    "check_images", 0, "Test images evaluated in a second way.", lower_bound=0
)
_BACKUP_DIR = flags.DEFINE_string(
    "backup_dir", "out/static_mnist", "Where `--schedule=paper` keeps each run's state."
)
_EPOCHS = flags.DEFINE_integer(
    "epochs",
    3_280,
    "Of the paper's; a later command with more of them goes on from there.",
    lower_bound=1,
    upper_bound=3_280,
)

# By model and K. Of two layers and of the priors: quoted, not looked up again.
PUBLISHED = {
    ("one_layer", 1): -88.71,
    ("one_layer", 5): -87.63,
    ("one_layer", 50): -87.10,
    ("two_layers", 1): -88.08,
    ("two_layers", 5): -86.17,
    ("two_layers", 50): -85.32,
    ("standard_prior", 1): -88.56,
    ("vamp_prior", 1): -85.57,
}

# Shares of the time.
_WARM_UP, _KL_WARM_UP, _DECAY_FROM = 0.02, 0.15, 0.5
_VALIDATIONS = 20  # in the part where the rate decays
# L_20 is unfair to a large K, whose q is broader.
_VALIDATION_SAMPLES, _NUM_VALIDATED = 500, 1_000


class Phase(NamedTuple):
    """A part of the training: a loss, the share of the time when it ends, a batch size."""

    loss: tfgen.losses.Bound
    end: float
    batch_size: int


def _network(
    inputs: list[keras.KerasTensor],
    widths: list[int],
    distribution: type[keras.layers.Layer],
    event_size: int,
    gated: bool = False,
    dropout: float = 0.0,
) -> keras.Model:
    """Dense layers, tanh or gated, then a distribution over `[event_size]`."""
    h = inputs[0]
    if dropout:
        h = keras.layers.Dropout(dropout)(h)
    for width in widths:
        units = keras.layers.Dense(width, None if gated else "tanh")(h)
        if gated:
            gates = keras.layers.Dense(width, "sigmoid")(h)
            units = keras.layers.Multiply()([units, gates])
        h = units
    params = keras.layers.Dense(distribution.params_size(event_size))(h)
    return keras.Model(inputs, distribution(event_size)(params))


class DreamingVAE(tfgen.models.VAE):
    """A VAE whose encoder learns from samples of the model, too, which never run out.

    The loss has in addition -log q(z|x) of z drawn from the prior and x from p(x|z), whose
    gradient reaches the encoder alone: it can't overfit them as it overfits the data.
    Source: Zhang and others, arXiv 2205.11640; Hinton and others, the wake-sleep algorithm.
    """

    num_dreams = 0

    def compute_loss(self, x: Any = None, y: Any = None, *args: Any, **kwargs: Any) -> Any:
        """The bound's loss and, weighted as examples are, that of the dreams."""
        loss = super().compute_loss(x, y, *args, **kwargs)
        if not self.num_dreams:
            return loss
        first, second = (
            tfgen.random.fold_in(
                tfgen.random.next_key(self.seed_generator), tf.range(self.num_dreams)
            )
            for _ in range(2)
        )
        z = tfgen.random.normal(first, self.decoder.input_shape[1:])
        mean = self.decoder(z).mean()
        dreams = tf.cast(tfgen.random.uniform(second, mean.shape[1:]) < mean, z.dtype)
        share = self.num_dreams / tf.cast(tf.shape(y)[0], z.dtype)
        return loss - share * tf.reduce_mean(self.encoder(dreams).log_prob(z))


def make_model(
    name: str = "one_layer",
    dropout: float = 0.0,
    pseudo_inputs: np.ndarray | None = None,
    num_dreams: int = 0,
) -> tfgen.models.VAE:
    """A model of one of the papers; `vamp_prior` starts at `pseudo_inputs`, 500 images."""
    if num_dreams and name != "one_layer":
        raise ValueError(f"`dreams` must be 0 for `{name}`; received {num_dreams}.")
    normal = tfgen.layers.MultivariateNormalDiag
    bernoulli = tfgen.layers.IndependentBernoulli
    x = keras.Input([784], name="x")
    if name == "one_layer":
        z = keras.Input([50], name="z")
        model = DreamingVAE(
            _network([x], [200, 200], normal, 50, dropout=dropout),
            _network([z], [200, 200], bernoulli, 784),
        )
        model.num_dreams = num_dreams
        return model
    if name == "two_layers":
        z1, z2 = keras.Input([100], name="z1"), keras.Input([50], name="z2")
        joint = tfgen.layers.JointDistribution
        top = tfd.MultivariateNormalDiag(tf.zeros([50]), tf.ones([50]))
        first = _network([x], [200, 200], normal, 100, dropout=dropout)
        return tfgen.models.VAE(
            joint({"z1": first, "z2": _network([z1], [100, 100], normal, 50)}),
            _network([z1], [200, 200], bernoulli, 784),
            joint({"z2": top, "z1": _network([z2], [100, 100], normal, 100)}),
        )
    prior = None
    if name == "vamp_prior":
        prior = tfgen.layers.VampPrior(
            500, _logits_near(pseudo_inputs), activation="sigmoid"
        )
    z = keras.Input([40], name="z")
    return tfgen.models.VAE(
        _network([x], [300, 300], normal, 40, True, dropout),
        _network([z], [300, 300], bernoulli, 784, True),
        prior,
    )


def _logits_near(x: np.ndarray | None) -> np.ndarray:
    """Logits of pixels that are nearly those of x."""
    if x is None:
        raise ValueError("`vamp_prior` needs `pseudo_inputs`, 500 images; received None.")
    return 4.0 * x - 2.0


def make_phases(
    num_samples: int,
    backward_samples: int | None = None,
    schedule: list[str] | None = None,
    batch_size: int = 100,
) -> list[Phase]:
    """K = 1, then 5 if that is less than `num_samples`, then `num_samples`; or `schedule`.

    Args:
        num_samples: K of the last phase.
        backward_samples: of the last phase.
        schedule: the value of `--phases`.
        batch_size: where the schedule has none.
    """
    if schedule is None:
        before = ["1@0.25"] * (num_samples > 1) + ["5@0.7"] * (num_samples > 5)
        schedule = [*before, f"{num_samples}@1"]
    phases = []
    for part in schedule:
        count, end, *size = part.split("@")
        count = int(count)
        drawn = backward_samples if count == num_samples else None
        if drawn is None and count >= 10:
            drawn = 1
        if drawn == count:
            drawn = None  # each once, and none drawn
        bound = tfgen.losses.ELBO(estimator="stl")
        if count > 1:
            bound = tfgen.losses.IWLB(count, estimator="dreg", backward_samples=drawn)
        phases.append(Phase(bound, float(end), int(size[0]) if size else batch_size))
    ends = [phase.end for phase in phases]
    if phases[-1].loss.num_samples != num_samples or ends[-1] != 1 or ends != sorted(ends):
        raise ValueError(
            f"`phases` must rise to `num_samples`, {num_samples}, at 1; received "
            f"{schedule}. Write for example 1@0.25,{num_samples}@1."
        )
    return phases


def _late(part: float) -> float:
    """How far the learning rate has decayed, from 0 to 1."""
    return max(0.0, part - _DECAY_FROM) / (1.0 - _DECAY_FROM)


class Course(keras.callbacks.Callback):
    """Controls a training by its progress, from 0 to 1: rate, averaging, choice, end.

    Args:
        progress: returns how far the training is, from 0 to 1.
        learning_rate: the largest learning rate.
        x_valid: the images on which weights are chosen.
        num_samples: K of the bound by which they are chosen.
    """

    def __init__(
        self,
        progress: Callable[[], float],
        learning_rate: float,
        x_valid: np.ndarray,
        num_samples: int = _VALIDATION_SAMPLES,
    ) -> None:
        super().__init__()
        self.progress = progress
        self.learning_rate = learning_rate
        self.x_valid = x_valid
        self.num_samples = num_samples
        self.phase_end = 1.0
        self.best = -math.inf
        self.best_weights: list[np.ndarray] = []
        self._average: list[np.ndarray] = []
        self._averaged = 0.0  # how far the training was then
        self._validated = 0

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Sets the rate and the weight of the KL."""
        part = min(self.progress(), 1.0)
        late = _late(part)
        rate = 0.5 * (1 + math.cos(math.pi * late)) * min(1.0, part / _WARM_UP)
        self.model.optimizer.learning_rate = self.learning_rate * rate
        if isinstance(self.model.bound, tfgen.losses.ELBO):
            self.model.bound.beta.assign(min(1.0, part / _KL_WARM_UP))

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Averages the weights, validates the average, ends the phase."""
        part = self.progress()
        weights = [w.numpy() for w in self.model.trainable_weights]
        if not self._average:
            self._average = weights
        # Of the last tenth or so of the time: of the steps it would be that of the small
        # K, whose steps are many.
        share = 1.0 - (self._averaged / max(part, self._averaged, 1e-9)) ** 10
        self._averaged = max(part, self._averaged)
        for average, weight in zip(self._average, weights, strict=True):
            average += share * (weight - average)
        if _late(part) * _VALIDATIONS >= self._validated + 1 or part >= 1.0:
            self._validated = int(_late(part) * _VALIDATIONS)
            self._validate(weights, part)
        if part >= self.phase_end:
            self.model.stop_training = True

    def _validate(self, weights: list[np.ndarray], part: float) -> None:
        variables = self.model.trainable_weights
        for variable, average in zip(variables, self._average, strict=True):
            variable.assign(average)
        value = float(np.mean(self.model.log_prob(self.x_valid, self.num_samples, seed=0)))
        if value > self.best:
            self.best = value
            self.best_weights = [average.copy() for average in self._average]
        for variable, weight in zip(variables, weights, strict=True):
            variable.assign(weight)
        steps = int(self.model.optimizer.iterations)
        print(f"  {part:4.0%}, {steps:>8,} steps: valid {value:.2f} nats", flush=True)


def train(
    model: tfgen.models.VAE,
    x: np.ndarray,
    phases: list[Phase],
    course: Course,
) -> None:
    """Trains through the phases; the model has the chosen weights at the end."""
    optimizer = keras.optimizers.AdamW(
        course.learning_rate, weight_decay=_WEIGHT_DECAY.value
    )
    for phase in phases:
        size = phase.batch_size
        print(f"{phase.loss!r}, up to {phase.end:.0%}, batches of {size}", flush=True)
        model.compile(optimizer, phase.loss)
        course.phase_end, course.best = phase.end, -math.inf  # chosen within the last phase
        model.fit(x, batch_size=size, epochs=10**6, callbacks=[course], verbose=0)
    for variable, best in zip(model.trainable_weights, course.best_weights, strict=True):
        variable.assign(best)


def train_by_clock(model: tfgen.models.VAE, x_train: np.ndarray, x: np.ndarray) -> float:
    """Trains for `--minutes`; returns L_500 of the images x on which weights are chosen."""
    clock = time.process_time if _CLOCK.value == "cpu" else time.perf_counter
    begin, seconds = clock(), 60 * _MINUTES.value
    course = Course(lambda: (clock() - begin) / seconds, _LEARNING_RATE.value, x)
    phases = make_phases(
        _NUM_SAMPLES.value, _BACKWARD_SAMPLES.value, _PHASES.value, _BATCH_SIZE.value
    )
    train(model, x_train, phases, course)
    return course.best


def paper_rate(steps_per_epoch: int) -> keras.optimizers.schedules.LearningRateSchedule:
    """1e-3 times 10^(-i/7) for 3^i epochs, i from 0 to 7."""
    ends = np.cumsum([3**i for i in range(7)]) * steps_per_epoch
    rates = [1e-3 * 10 ** (-i / 7) for i in range(8)]
    # The value at a boundary is the one before it, and the first step is step 0.
    return keras.optimizers.schedules.PiecewiseConstantDecay(
        [int(end) - 1 for end in ends], rates
    )


def train_by_epochs(model: tfgen.models.VAE, x_train: np.ndarray) -> int:
    """Trains as the paper did, or goes on where it ended; returns the epochs in all."""
    steps_per_epoch = math.ceil(len(x_train) / 20)
    rate = paper_rate(steps_per_epoch)
    bound = tfgen.losses.IWLB(_NUM_SAMPLES.value) if _NUM_SAMPLES.value > 1 else "elbo"
    model.compile(keras.optimizers.Adam(rate, epsilon=1e-4), bound)
    run = f"{_MODEL.value}_k{_NUM_SAMPLES.value}_seed{_SEED.value}"
    backup = tfgen.callbacks.BackupAndRestore(
        pathlib.Path(_BACKUP_DIR.value) / run, delete_checkpoint=False
    )
    options = {"batch_size": 20, "callbacks": [backup], "verbose": 2}
    model.fit(x_train, epochs=_EPOCHS.value, **options)
    return int(model.optimizer.iterations) // steps_per_epoch


def evaluate(model: tfgen.models.VAE, images: tuple[np.ndarray, ...]) -> list[str]:
    """Active units, L_500 of valid, L_K and log p(x) of test, as cells of a table."""
    _, x_valid, x_test = images
    result = tfgen.evaluation.log_likelihood(model, x_test, _TEST_SAMPLES.value, seed=0)
    log_prob = result.log_prob.numpy().astype("float64")
    error = log_prob.std() / math.sqrt(len(log_prob))
    active = tfgen.evaluation.active_units(model, x_valid)
    units = active.values() if isinstance(active, dict) else [active]
    bound = np.mean(model.log_prob(x_test, _NUM_SAMPLES.value, seed=1))
    valid = np.mean(model.log_prob(x_valid[:_NUM_VALIDATED], _VALIDATION_SAMPLES, seed=0))
    return [
        " + ".join(str(int(unit.num_active)) for unit in units),
        f"{valid:.2f}",
        f"{bound:.2f}",
        f"{log_prob.mean():.2f} ± {error:.2f}",
    ]


def check(model: tfgen.models.VAE, x_test: np.ndarray, count: int) -> str:
    """log p(x) of some test images by importance sampling and by annealing."""
    chosen = np.random.default_rng(0).choice(len(x_test), count, replace=False)
    x = x_test[chosen]
    sampled = tfgen.evaluation.log_likelihood(model, x, _TEST_SAMPLES.value, seed=2)
    annealed = tfgen.evaluation.annealed_importance_sampling(model, x, seed=2)
    texts = []
    for result in (sampled, annealed):
        errors = result.standard_error.numpy()
        noise = math.sqrt(np.mean(errors**2) / count)
        texts.append(f"{np.mean(result.log_prob):.3f} ± {noise:.3f}")
    difference = (annealed.log_prob - sampled.log_prob).numpy()
    error = difference.std(ddof=1) / math.sqrt(count)
    return (
        f"{count} images, nats: importance sampling {texts[0]}, annealed {texts[1]}, "
        f"difference {difference.mean():.3f} ± {error:.3f}"
    )


def keep(model: tfgen.models.VAE, filepath: str) -> None:
    """Saves the model without its optimizer, which is twice the weights' size."""
    bare = tfgen.models.VAE.from_config(model.get_config())
    bare.build((None, 784))
    bare.set_weights(model.get_weights())
    bare.save(filepath)


def load(name: str) -> tfgen.models.VAE:
    """A model from a file, or of `saved_models/` by its name."""
    kept = _ROOT / "saved_models" / name / f"{name}.keras"
    return keras.saving.load_model(kept if kept.exists() else name)


COLUMNS = ["K", "minutes", "seed", "active units", "valid, L_500", "test L_K"]


def main(argv: list[str]) -> None:
    del argv
    if _CLOCK.value == "cpu":
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    keras.utils.set_random_seed(_SEED.value)
    images = tfgen.datasets.load_static_mnist(_DATA.value)
    images = tuple(x.reshape(len(x), -1) for x in images)
    x_train, x_valid, _ = images
    key, minutes = (_MODEL.value, _NUM_SAMPLES.value), f"{_MINUTES.value:g}"
    begin = time.perf_counter()
    if _EVALUATE.value:
        model, minutes = load(_EVALUATE.value), pathlib.Path(_EVALUATE.value).stem
    else:
        model = make_model(
            _MODEL.value, _ENCODER_DROPOUT.value, x_train[:500], _DREAMS.value
        )
        if _SCHEDULE.value == "paper":
            minutes = f"the paper's {train_by_epochs(model, x_train):,} epochs"
        else:
            train_by_clock(model, x_train, x_valid[:_NUM_VALIDATED])
        steps = int(model.optimizer.iterations)
        print(f"trained {(time.perf_counter() - begin) / 60:.1f} minutes, {steps:,} steps")
        if _OUTPUT.value:
            keep(model, _OUTPUT.value)
    begin = time.perf_counter()
    cells = evaluate(model, images)
    print(f"tested in {(time.perf_counter() - begin) / 60:.1f} minutes\n")
    columns = [*COLUMNS, "test log p(x)", "published"]
    published = f"{PUBLISHED[key]:.2f}" if key in PUBLISHED else "-"
    row = [str(_NUM_SAMPLES.value), minutes, str(_SEED.value), *cells, published]
    print(f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|\n| {' | '.join(row)} |")
    if _CHECK_IMAGES.value:
        print(f"\n{check(model, images[2], _CHECK_IMAGES.value)}")


if __name__ == "__main__":
    app.run(main)
