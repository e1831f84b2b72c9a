r"""Classifies images from ten labels a class: M2 of Kingma et al., arXiv 1406.5298.

    python examples/semi_supervised.py --labels_per_class=10 --epochs=200

The class y is a latent like z: p(y) p(z) p(x | y, z), with q(y | x) and q(z | x, y).
If y is not known, the ELBO sums over its ten values,
`estimator={"y": "enumerate", "z": "reparameterized"}`. If y is known, the ELBO is
computed at that value, and q(y | x) is trained by the cross-entropy too. The
program prints the accuracy of q(y | x) on held-out images beside that of the same network
trained on the same labels alone.

Copy this file and change it: the three networks are in three functions, and the labels'
part of the loss is in `SemiSupervisedVAE.compute_loss`.
"""

import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow is imported

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from absl import app, flags, logging

import tfgen

tfd = tfp.distributions

_DATASETS = {
    "digits": tfgen.datasets.load_digits,
    "mnist": tfgen.datasets.load_mnist,
    "fashion_mnist": tfgen.datasets.load_fashion_mnist,
}
_DATASET = flags.DEFINE_enum("dataset", "digits", sorted(_DATASETS), "What to train on.")
_LABELS = flags.DEFINE_integer(
    "labels_per_class", 10, "Images of each class whose label is given.", lower_bound=1
)
_LATENT_DIM = flags.DEFINE_integer("latent_dim", 8, "The size of z.", lower_bound=1)
_UNITS = flags.DEFINE_integer("units", 256, "Units in a hidden layer.", lower_bound=1)
_EPOCHS = flags.DEFINE_integer("epochs", 200, "Passes over the data.", lower_bound=1)
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 64, "Examples a step.", lower_bound=1)
_LEARNING_RATE = flags.DEFINE_float("learning_rate", 1e-3, "Adam's.")
_CLASSIFICATION = flags.DEFINE_float(
    "classification_weight", 20.0, "Of the mean cross-entropy of q(y | x), in the loss."
)
_SEED = flags.DEFINE_integer("seed", 0, "Of weights, noise and the order of the data.")

NUM_CLASSES = 10


def hidden(inputs: list) -> keras.KerasTensor:
    """A hidden layer on the concatenated inputs."""
    flat = [keras.layers.Flatten()(tensor) for tensor in inputs]
    h = keras.layers.Concatenate()(flat) if len(flat) > 1 else flat[0]
    return keras.layers.Dense(_UNITS.value, activation="relu")(h)


def make_classifier(x: keras.KerasTensor) -> keras.Model:
    """q(y | x): a one-hot class."""
    layer = tfgen.layers.OneHotCategorical(NUM_CLASSES)
    logits = keras.layers.Dense(NUM_CLASSES)(hidden([x]))
    return keras.Model(x, layer(logits), name="classifier")


def make_encoder(x: keras.KerasTensor, y: keras.KerasTensor) -> keras.Model:
    """q(z | x, y)."""
    layer = tfgen.layers.MultivariateNormalDiag
    params = keras.layers.Dense(layer.params_size(_LATENT_DIM.value))(hidden([x, y]))
    return keras.Model([x, y], layer(_LATENT_DIM.value)(params), name="encoder")


def make_decoder(shape: tuple[int, ...], y: keras.KerasTensor) -> keras.Model:
    """p(x | y, z): a Bernoulli for each pixel."""
    z = keras.Input([_LATENT_DIM.value], name="z")
    layer = tfgen.layers.IndependentBernoulli
    params = keras.layers.Dense(layer.params_size(shape))(hidden([y, z]))
    return keras.Model([y, z], layer(shape)(params), name="decoder")


class SemiSupervisedVAE(tfgen.models.VAE):
    """A VAE over y and z for which y of some images is known.

    `fit(x)` takes all images and treats them as unlabelled; `give_labels` adds labels.
    """

    def give_labels(self, x: np.ndarray, y: np.ndarray, num_images: int) -> None:
        """Sets the images `[N, ...]` whose one-hot classes `[N, 10]` are known.

        `num_images` is the number of all images.
        """
        given = {"x": tf.constant(x), "y": tf.constant(y)}
        self.share = len(x) / num_images
        # z alone is a latent here, and y a condition: log p(x | y, z) + log p(z) - log q.
        known = tfgen.models.VAE(self.encoder.factors["z"], self.decoder)
        self.log_weights_of_labelled = lambda: known.log_weights(given, num_samples=1)
        self.log_q_of_labelled = lambda: self.encoder.factors["y"](given["x"]).log_prob(
            given["y"]
        )

    def compute_loss(self, *args: object, **kwargs: object) -> tf.Tensor:
        """The loss of all images, and what the labels add."""
        return (
            super().compute_loss(*args, **kwargs)
            - self.share * tf.reduce_mean(self.log_weights_of_labelled())
            - _CLASSIFICATION.value * tf.reduce_mean(self.log_q_of_labelled())
        )


def make_model(shape: tuple[int, ...]) -> SemiSupervisedVAE:
    """The model M2."""
    x, y = keras.Input(shape, name="x"), keras.Input([NUM_CLASSES], name="y")
    size = _LATENT_DIM.value
    uniform = tfd.OneHotCategorical(logits=tf.zeros([NUM_CLASSES]), dtype=tf.float32)
    standard = tfd.MultivariateNormalDiag(tf.zeros([size]), tf.ones([size]))
    joint = tfgen.layers.JointDistribution
    return SemiSupervisedVAE(
        joint({"y": make_classifier(x), "z": make_encoder(x, y)}),
        make_decoder(shape, y),
        joint({"y": uniform, "z": standard}),
    )


def choose_labelled(c: np.ndarray) -> np.ndarray:
    """The numbers of some images of each class."""
    rng = np.random.default_rng(_SEED.value)
    of_class = [rng.permutation(np.flatnonzero(c == i)) for i in range(NUM_CLASSES)]
    return np.concatenate([numbers[: _LABELS.value] for numbers in of_class])


def accuracy(classifier: keras.Model, x: np.ndarray, c: np.ndarray) -> float:
    """The share of images whose most probable class is right."""
    return float(np.mean(np.argmax(classifier(x).mean(), axis=-1) == c))


def train_alone(x: np.ndarray, y: np.ndarray) -> keras.Model:
    """The same classifier, trained on the labelled images alone."""
    classifier = make_classifier(keras.Input(x.shape[1:], name="x"))
    optimizer = keras.optimizers.Adam(_LEARNING_RATE.value)
    classifier.compile(optimizer, tfgen.losses.NegativeLogLikelihood())
    classifier.fit(x, y, batch_size=_BATCH_SIZE.value, epochs=_EPOCHS.value, verbose=0)
    return classifier


def main(argv: list[str]) -> None:
    del argv
    logging.set_verbosity(logging.WARNING)
    start = time.perf_counter()
    keras.utils.set_random_seed(_SEED.value)
    (x, c), test = _DATASETS[_DATASET.value](labels=True)
    chosen = choose_labelled(c)
    y = keras.utils.to_categorical(c[chosen], NUM_CLASSES).astype("float32")
    alone = train_alone(x[chosen], y)

    model = make_model(x.shape[1:])
    model.give_labels(x[chosen], y, len(x))
    estimator = {"y": "enumerate", "z": "reparameterized"}
    optimizer = keras.optimizers.Adam(_LEARNING_RATE.value)
    loss = tfgen.losses.ELBO(estimator=estimator)
    model.compile(optimizer, loss)
    model.fit(x, batch_size=_BATCH_SIZE.value, epochs=_EPOCHS.value, verbose=0)

    print(
        f"{_DATASET.value}: {len(chosen)} labels, {len(x)} images; accuracy on "
        f"{len(test[0])} held-out images, seed {_SEED.value}"
    )
    print(f"  classifier, the labels alone    {accuracy(alone, *test):.1%}")
    classifier = model.encoder.factors["y"]
    print(f"  q(y | x) of M2, all the images  {accuracy(classifier, *test):.1%}")
    print(f"in all {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    app.run(main)
