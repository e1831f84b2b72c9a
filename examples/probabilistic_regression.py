r"""Regression with uncertainty: the same network, ending in three distributions.

    python examples/probabilistic_regression.py

The data are y = sin(3 x) + (0.1 + 0.3 x^2) eps, whose noise grows with |x|; where x > 0,
half of them are mirrored, y -> -y, so that two answers are right there. A distribution
with constant noise does worst, one that learns the noise does better, a mixture best.
Held-out log p(y|x) is printed beside that of the true distribution, which no model can
exceed except by chance. After TFP's "Regression with probabilistic layers".
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow is imported

import keras
import numpy as np
import tensorflow_probability as tfp
from absl import app, flags

import tfgen

tfd = tfp.distributions
tfl = tfgen.layers

_EPOCHS = flags.DEFINE_integer("epochs", 150, "Passes over the data.", lower_bound=1)
_NUM_EXAMPLES = flags.DEFINE_integer("num_examples", 2000, "To train on, and to test on.")
_SEED = flags.DEFINE_integer("seed", 0, "Of weights and data.")
_OUTPUT_DIR = flags.DEFINE_string(
    "output_dir", "out/probabilistic_regression", "Where the picture and the model go."
)


def simulate(count: int, generator: np.random.Generator) -> tuple[np.ndarray, ...]:
    """x, y and log p(y|x), each `[count, 1]`."""
    x = generator.uniform(-1.5, 1.5, [count, 1])
    mean, stddev = np.sin(3 * x), 0.1 + 0.3 * x**2
    sign = np.where((x > 0) & (generator.random([count, 1]) < 0.5), -1, 1)
    y = sign * (mean + stddev * generator.normal(size=[count, 1]))

    def log_normal(value: np.ndarray) -> np.ndarray:
        away = (value - mean) / stddev
        return -0.5 * away**2 - np.log(stddev) - 0.5 * np.log(2 * np.pi)

    both = np.logaddexp(log_normal(y), log_normal(-y)) - np.log(2)
    log_prob = np.where(x > 0, both, log_normal(y))
    return x.astype("float32"), y.astype("float32"), log_prob


# Registered, so that the model can be saved: a file holds the name, never the code.
@keras.saving.register_keras_serializable("examples")
def normal_of_one_spread(mean):
    return tfd.Independent(tfd.Normal(mean, 0.5), 1)


def make_models() -> dict[str, keras.Model]:
    """Plain Keras models, each of which returns a distribution of y given x."""
    ends = {
        "mean only": (1, tfl.DistributionLambda(normal_of_one_spread)),
        "mean and noise": (
            tfl.IndependentNormal.params_size([1]),
            tfl.IndependentNormal([1]),
        ),
        "mixture of 4": (tfl.MixtureNormal.params_size(4, [1]), tfl.MixtureNormal(4, [1])),
    }
    return {
        name: keras.Sequential(
            [
                keras.layers.Input([1]),
                keras.layers.Dense(64, activation="tanh"),
                keras.layers.Dense(64, activation="tanh"),
                keras.layers.Dense(params_size),
                layer,
            ]
        )
        for name, (params_size, layer) in ends.items()
    }


def main(argv: list[str]) -> None:
    del argv
    keras.utils.set_random_seed(_SEED.value)
    generator = np.random.default_rng(_SEED.value)
    x, y, _ = simulate(_NUM_EXAMPLES.value, generator)
    x_test, y_test, truth = simulate(_NUM_EXAMPLES.value, generator)
    models = make_models()
    print("held-out log p(y|x), nats an example, ± the standard error over examples")
    for name, model in models.items():
        model.compile(keras.optimizers.Adam(3e-3), tfgen.losses.NegativeLogLikelihood())
        model.fit(x, y, batch_size=100, epochs=_EPOCHS.value, verbose=0)
        print_row(name, model(x_test).log_prob(y_test).numpy())
    print_row("the law of the data", truth)
    grid = np.linspace(-1.5, 1.5, 200, dtype="float32")[:, np.newaxis]
    picture = os.path.join(_OUTPUT_DIR.value, "spread.png")
    spreads = {
        name: (grid[:, 0], model(grid).stddev()[:, 0]) for name, model in models.items()
    }
    tfgen.plots.save_curves(picture, spreads, "x", "standard deviation of y given x")
    saved = os.path.join(_OUTPUT_DIR.value, "mixture.keras")
    models["mixture of 4"].save(saved)
    print("wrote:", picture, saved, sep="\n  ")


def print_row(name: str, values: np.ndarray) -> None:
    error = values.std(ddof=1) / np.sqrt(len(values))
    print(f"  {name:<24} {values.mean():7.3f} ± {error:.3f}")


if __name__ == "__main__":
    app.run(main)
