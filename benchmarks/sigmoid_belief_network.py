r"""A sigmoid belief network of static MNIST by the clock, by VIMCO and by RWS.

    python -m benchmarks.sigmoid_belief_network --estimator=vimco --minutes=20

Three layers of 200 binary latents, each a linear function of the layer beside it, as in
Mnih and Rezende (arXiv 1602.06725) and Bornschein and Bengio (arXiv 1406.2751): p(h3) a
learned Bernoulli, p(h2 | h3), p(h1 | h2), p(x | h1), and q(h1 | x), q(h2 | h1),
q(h3 | h2). Prints log p(x) of the 10,000 test images by importance samples beside what is
published, after far longer training.

The rate, the averages of the weights and their choice on `valid` are those of
`benchmarks/static_mnist.py`. The output's bias starts at the logit of the training mean.
"""

import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow is imported

import keras
import numpy as np
from absl import app, flags

import tfgen
from benchmarks import static_mnist

_ESTIMATOR = flags.DEFINE_enum(
    "estimator", "vimco", ["vimco", "rws", "ovis", "reinforce"], "Of q's gradient."
)

UNITS = 200
PUBLISHED = {  # -log p(x), nats, at K = 2, 5, 10, 50
    "vimco": {2: 93.5, 5: 92.8, 10: 92.6, 50: 91.9},
    "rws": {2: 94.6, 5: 93.4, 10: 93.0, 50: 92.5},
}


def layer(source: keras.KerasTensor, size: int, bias: object = "zeros") -> keras.Model:
    """Binary variables, each a logistic regression on those of the layer beside."""
    logits = keras.layers.Dense(size, bias_initializer=bias)(source)
    return keras.Model(source, tfgen.layers.IndependentBernoulli([size])(logits))


def make_model(mean: np.ndarray) -> tfgen.models.VAE:
    """The network 200-200-200 over images whose mean is given."""
    joint = tfgen.layers.JointDistribution
    x = keras.Input([mean.size], name="x")
    h1, h2, h3 = (keras.Input([UNITS], name=f"h{i}") for i in (1, 2, 3))
    mean = np.clip(mean, 1e-3, 1 - 1e-3)
    logit = np.log(mean) - np.log1p(-mean)
    centred = keras.layers.Rescaling(2.0, -1.0)(x)
    bottom = keras.Model(
        x,
        tfgen.layers.IndependentBernoulli([UNITS])(keras.layers.Dense(UNITS)(centred)),
    )
    return tfgen.models.VAE(
        joint({"h1": bottom, "h2": layer(h1, UNITS), "h3": layer(h2, UNITS)}),
        layer(h1, mean.size, lambda shape, dtype=None: keras.ops.cast(logit, dtype)),
        joint(
            {
                "h3": tfgen.layers.LearnedPrior(tfgen.layers.IndependentBernoulli([UNITS])),
                "h2": layer(h3, UNITS),
                "h1": layer(h2, UNITS),
            }
        ),
    )


def main(argv: list[str]) -> None:
    del argv
    flag = flags.FLAGS
    keras.utils.set_random_seed(flag.seed)
    images = tfgen.datasets.load_static_mnist(flag.data)
    x_train, x_valid, x_test = (x.reshape(len(x), -1) for x in images)
    model = make_model(x_train.mean(axis=0))
    begin = time.perf_counter()
    course = static_mnist.Course(
        lambda: (time.perf_counter() - begin) / (60 * flag.minutes),
        flag.learning_rate,
        x_valid,
    )
    loss = tfgen.losses.IWLB(flag.num_samples, estimator=_ESTIMATOR.value)
    phase = static_mnist.Phase(loss, 1.0)
    static_mnist.train(model, x_train, [phase], course, flag.batch_size)
    trained = time.perf_counter() - begin
    epochs = int(model.optimizer.iterations) * flag.batch_size / len(x_train)
    result = tfgen.evaluation.log_likelihood(model, x_test, flag.test_samples, seed=0)
    log_prob = result.log_prob.numpy().astype("float64")
    error = log_prob.std() / np.sqrt(len(log_prob))
    published = -PUBLISHED.get(_ESTIMATOR.value, {}).get(flag.num_samples, np.nan)
    print(
        f"trained {trained / 60:.1f} minutes, {epochs:.0f} epochs, "
        f"{epochs * len(x_train) / trained:,.0f} examples a second\n\n"
        "| estimator | K | minutes | valid, L_20 | test log p(x) | published |\n"
        "|---|---|---|---|---|---|\n"
        f"| {_ESTIMATOR.value} | {flag.num_samples} | {flag.minutes:g} | "
        f"{course.best:.2f} | {log_prob.mean():.2f} ± {error:.2f} | {published:.1f} |"
    )


if __name__ == "__main__":
    app.run(main)
