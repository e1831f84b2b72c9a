r"""Trains a GAN of images given their class, and counts how often a sample has that class.

    python examples/conditional_gan.py --dataset=fashion_mnist --epochs=8

The generator's inputs are named z and c, the discriminator's x and c, and `fit` takes
`{"x": x, "c": c}`. The discriminator ends in a projection: a logit without
the class, plus a term that depends on the class. A classifier trained on real images then
counts how many samples are of the class that was asked for; the same share of held-out
images is printed for comparison.

Copy this file and change it: the networks are in three functions.
"""

import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow is imported

import keras
import numpy as np
from absl import app, flags

import tfgen

_DATASETS = {
    "digits": tfgen.datasets.load_digits,
    "fashion_mnist": tfgen.datasets.load_fashion_mnist,
}
_DATASET = flags.DEFINE_enum("dataset", "digits", sorted(_DATASETS), "What to train on.")
_LOSS = flags.DEFINE_enum(
    "loss", "non_saturating", tfgen.losses.known_gan_losses(), "Of the generator."
)
_EPOCHS = flags.DEFINE_integer("epochs", 100, "Passes over the data.", lower_bound=1)
_WIDTH = flags.DEFINE_integer("width", 32, "Channels of the networks.", lower_bound=1)
_AUGMENT = flags.DEFINE_bool("augment", False, "Differentiable augmentation, for few data.")
_NUM_SAMPLES = flags.DEFINE_integer("num_samples", 2000, "To classify.", lower_bound=10)
_SEED = flags.DEFINE_integer("seed", 0, "Of weights, noise and the order of the data.")
_OUTPUT_DIR = flags.DEFINE_string("output_dir", "out/conditional_gan", "Of the picture.")
_EXPORT_DIR = flags.DEFINE_string(
    "export_dir", None, "Base directory of the SavedModel; not exported unless given."
)

NUM_CLASSES, LATENT_DIM = 10, 32
layers = keras.layers


def make_generator(side: int) -> keras.Model:
    """From z and an embedding of the class, concatenated, to an image."""
    z = keras.Input([LATENT_DIM], name="z")
    c = keras.Input([], dtype="int32", name="c")
    small, width = side // 4, _WIDTH.value
    h = layers.Concatenate()([z, layers.Embedding(NUM_CLASSES, LATENT_DIM)(c)])
    h = layers.Dense(small * small * 2 * width)(h)
    h = layers.ReLU()(layers.BatchNormalization()(h))
    h = layers.Reshape([small, small, 2 * width])(h)
    h = layers.Conv2DTranspose(width, 4, strides=2, padding="same")(h)
    h = layers.ReLU()(layers.BatchNormalization()(h))
    image = layers.Conv2DTranspose(1, 4, strides=2, padding="same", activation="sigmoid")
    return keras.Model([z, c], image(h))


def make_discriminator(side: int) -> keras.Model:
    """Features of the image, projected on an embedding of the class."""
    x = keras.Input([side, side, 1], name="x")
    c = keras.Input([], dtype="int32", name="c")
    h = x
    if _AUGMENT.value:
        h = tfgen.layers.DifferentiableAugmentation(brightness=0.25)(h)
    for width in (_WIDTH.value, 2 * _WIDTH.value):
        h = layers.Conv2D(width, 4, strides=2, padding="same")(h)
        h = layers.LeakyReLU()(h)
    h = layers.LeakyReLU()(layers.Dense(128)(layers.Flatten()(h)))
    return keras.Model([x, c], tfgen.layers.ProjectionLogit(NUM_CLASSES)([h, c]))


def make_classifier(x: np.ndarray, c: np.ndarray) -> keras.Model:
    """A classifier of real images, trained for 40 epochs or 120,000 images."""
    classifier = keras.Sequential(
        [
            keras.Input(x.shape[1:]),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.Conv2D(64, 3, strides=2, padding="same", activation="relu"),
            layers.Flatten(),
            layers.Dropout(0.3),
            layers.Dense(64, activation="relu"),
            layers.Dense(NUM_CLASSES),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    classifier.compile("adam", loss)
    epochs = min(40, -(-120_000 // len(x)))
    classifier.fit(x, c, batch_size=64, epochs=epochs, verbose=0)
    return classifier


def share_as_asked(classifier: keras.Model, x: np.ndarray, c: np.ndarray) -> float:
    """The share of images that the classifier assigns to their class."""
    return float(np.mean(classifier.predict(x, verbose=0).argmax(axis=1) == c))


def main(argv: list[str]) -> None:
    del argv
    start = time.perf_counter()
    keras.utils.set_random_seed(_SEED.value)
    (x, c), (x_test, c_test) = _DATASETS[_DATASET.value]("unit", labels=True)
    side = x.shape[1]
    gan = tfgen.models.GAN(make_generator(side), make_discriminator(side), LATENT_DIM)
    steps = _EPOCHS.value * -(-len(x) // 64)
    adams = [
        keras.optimizers.Adam(
            keras.optimizers.schedules.CosineDecay(5e-4, steps, alpha=0.01), beta_1=0.5
        )
        for _ in range(2)
    ]
    gan.compile(
        *adams,
        loss=_LOSS.value,
        gradient_penalty="r1",
        gradient_penalty_weight=0.1,
        generator_ema=0.995,
    )
    gan.fit({"x": x, "c": c}, batch_size=64, epochs=_EPOCHS.value, verbose=0)
    print(f"{_DATASET.value}: {steps} steps in {time.perf_counter() - start:.0f} s")
    classifier = make_classifier(x, c)
    asked = np.arange(_NUM_SAMPLES.value) % NUM_CLASSES
    samples = gan.sample(seed=_SEED.value, condition={"c": asked}).numpy()
    read, real = (
        share_as_asked(classifier, images, labels)
        for images, labels in ((samples, asked), (x_test, c_test))
    )
    print(f"  a classifier reads {read:.1%} of {len(asked)} samples as asked;")
    print(f"  of held-out images it is right on {real:.1%}")
    rows = np.repeat(np.arange(NUM_CLASSES), 12)
    images = gan.sample(seed=_SEED.value, condition={"c": rows})
    path = os.path.join(_OUTPUT_DIR.value, f"{_DATASET.value}.png")
    tfgen.plots.save_image_grid(path, images, num_columns=12, zoom=3)
    print("wrote", path)
    if _EXPORT_DIR.value:
        print("exported:", gan.export(_EXPORT_DIR.value))


if __name__ == "__main__":
    app.run(main)
