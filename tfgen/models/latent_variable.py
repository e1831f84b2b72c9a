"""Methods of trained latent-variable models: sampling, decoding, inference, likelihood."""

import functools
import math
import os
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfgen import random, serving
from tfgen.layers import central_value, discrete_law, sample
from tfgen.layers.distribution_config import deserialize_prior, serialize_prior
from tfgen.losses import ELBO, Draws, LogWeights, log_weights
from tfgen.losses.estimators import is_pathwise
from tfgen.models import checks, structure
from tfgen.models.blocks import in_row_blocks, mapped_row_blocks
from tfgen.models.config_sizes import check_sizes
from tfgen.models.generative import GenerativeModel
from tfgen.models.given import (
    check_posterior,
    given_conditions,
    num_rows,
    of_x,
    read_dataset,
    to_tensors,
)
from tfgen.models.importance import WeightSums, importance_sums
from tfgen.models.parts import (
    Parts,
    Structure,
    check_distribution,
    check_network,
    check_prior,
    standard_normal,
)
from tfgen.models.refine import check_steps, refine_rows
from tfgen.models.signatures import vae_signatures
from tfgen.training.policy import xla_pays

tfd = tfp.distributions

__all__ = ["LatentVariableModel"]

# How many numbers the largest intermediate of a block of refined rows may hold (16 MB of
# float32), and how many in all make XLA save more than the seconds it takes to compile.
_REFINED_NUMBERS = 2**22
_XLA_NUMBERS = 2**28


class LatentVariableModel(GenerativeModel):
    """Three distributions, q(z|x, c), p(x|z, c) and p(z|c), and what follows from them.

    The base of `VAE`, which trains it. Arguments are `VAE`'s.
    """

    _parts = ("encoder", "decoder")

    def __init__(
        self,
        encoder: keras.layers.Layer,
        decoder: keras.layers.Layer,
        prior: tfd.Distribution | keras.layers.Layer | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_network(encoder, "encoder")
        check_network(decoder, "decoder")
        check_prior(prior)
        self.encoder = encoder
        self.decoder = decoder
        self._given_prior = prior
        self._prior = prior
        # Behind functions: Keras would wrap or track what they hold.
        self._get_parts: Callable[[], Parts] = lambda: Parts(encoder, decoder, prior)
        self._get_structure: Callable[[], Structure | None] = lambda: None
        latents = list(getattr(encoder, "factors", {"z": None}))
        shapes = self._get_parts().known_shapes(latents)
        if shapes is not None:
            self.build(structure.unnamed(shapes))

    # Structure.

    def build(self, input_shape: Any) -> None:
        """Builds the parts, and checks that their distributions agree.

        Args:
            input_shape: of x, `(None, ...)`; of what is given by name, a dict of such; of
                the encoder's inputs by position, a list of such.

        Raises:
            TypeError: if a part does not return a distribution.
            ValueError: if names or shapes don't agree; the message shows which.
        """
        if self.built:
            return
        latents = list(getattr(self.encoder, "factors", {"z": None}))
        shapes = structure.shapes_by_name(input_shape)
        with tf.init_scope():
            parts = Parts(self.encoder, self.decoder, self._given_prior)
            given = structure.example(parts, shapes, latents)
            posterior = parts.encoder(given)
            check_distribution(posterior, "encoder", "MultivariateNormalTriL(latent_dim)")
            if self._given_prior is None:
                self._prior = standard_normal(posterior)
                parts = Parts(self.encoder, self.decoder, self._prior)
            structure.attach_prior(self._prior, self.encoder, posterior, given)
            found = structure.examine(parts, posterior, given, input_shape)
        self._get_parts = lambda: parts
        self._get_structure = lambda: found
        self.built = True

    @property
    def structure(self) -> Structure:
        """Names and shapes of the inputs, of z and of x, once the model is built."""
        found = self._get_structure()
        if found is None:
            raise ValueError(
                "the shapes of a model are known once it is built; this one is not built. "
                "Call `fit`, or `build(input_shape)`, first."
            )
        return found

    @property
    def latents(self) -> dict[str, tuple[int, ...]]:
        """The shape of each latent, by name; a single one is named `z`."""
        return dict(self.structure.latents)

    @property
    def prior(self) -> Any:
        """The distribution p(z), or the layer that makes it if it takes conditions."""
        conditions = self.structure.conditions if self.built else []
        parts = self._get_parts()
        if self._prior is None:
            self.structure  # noqa: B018 - raises: N(0, I) needs the latent shape
        if parts.prior is not None and parts.prior.names(conditions):
            return self._prior
        return parts.prior_at({})

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, as Keras serialises them."""
        prior = self._given_prior
        prior = None if prior is None else serialize_prior(prior)
        return {**super().get_config(), "prior": prior}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """The model that `get_config` described."""
        check_sizes(config)
        prior = config["prior"]
        prior = None if prior is None else deserialize_prior(prior)
        return super().from_config({**config, "prior": prior}, custom_objects)

    def _build_for(self, x: Any) -> None:
        """Builds the model for data such as x, unless it is built."""
        if not self.built:
            shapes = keras.tree.map_structure(lambda v: (None, *tuple(v.shape)[1:]), x)
            self.build(structure.unnamed(shapes))

    # The three distributions.

    # A relaxation of discrete latents is used in training only (`relaxed=True`): everything
    # else uses the model whose latents are discrete.

    def _posterior(
        self, given: Mapping[str, Any], training: bool = False, relaxed: bool = False
    ) -> Any:
        """q(z|x, c), of batch shape `[B]`."""
        posterior = self._get_parts().encoder(given, training=training)
        return posterior if relaxed else discrete_law(posterior)

    def _prior_at(
        self, given: Mapping[str, Any], relaxed: bool = False
    ) -> tfd.Distribution:
        """p(z|c), of batch shape `[B]`, or `[]` if it takes no condition."""
        prior = self._get_parts().prior_at(_conditions(given))
        return prior if relaxed else discrete_law(prior)

    def _likelihood(self, z: Any, given: Mapping[str, Any], training: bool = False) -> Any:
        """p(x|z, c), of batch shape `[*samples, B]`, for z `[*samples, B, *latent]`."""
        latents = z if isinstance(z, Mapping) else {"z": z}
        ranks = {name: len(shape) for name, shape in self.structure.latents.items()}
        decoder = self._get_parts().decoder
        return decoder.on_samples(latents, _conditions(given), ranks, training)

    def _log_likelihood(
        self, y: Any, z: Any, given: Mapping[str, Any], training: bool = False
    ) -> tf.Tensor:
        """log p(y_b | z_kb, c_b), `[K, B]`, for z `[K, B, *latent]`."""
        likelihood = self._likelihood(z, given, training)
        y = tf.cast(y, likelihood.dtype)
        if isinstance(likelihood, tfd.BatchReshape):  # broadcasts no values
            batch = likelihood.batch_shape_tensor()
            y = tf.broadcast_to(y, tf.concat([batch, tf.shape(y)[1:]], axis=0))
        return likelihood.log_prob(y)

    def _log_weight_terms(
        self,
        posterior: Any,
        y: Any,
        given: Mapping[str, Any],
        **draws: Any,
    ) -> LogWeights:
        """The terms of the log-weights; `draws` are as in `tfgen.losses.log_weights`."""
        return log_weights(
            posterior,
            self._prior_at(given),
            lambda z: self._log_likelihood(y, z, given),
            **draws,
        )

    # Use.

    def call(self, x: Any, training: bool = False) -> tfd.Distribution:
        """p(x|z) for one z drawn from q(z|x)."""
        given = self._to_given(x)
        posterior = self._posterior(given, training)
        z = sample(posterior, self._keys(None, num_rows(given)))
        return self._likelihood(z, given, training)

    def compute_output_spec(self, x: Any, training: bool = False) -> keras.KerasTensor:
        """A `KerasTensor` of the shape of x."""
        self._build_for(x)
        batch = keras.tree.flatten(x)[0].shape[0]
        return keras.KerasTensor(
            (batch, *self.structure.event_shape), dtype=self.variable_dtype
        )

    def predict_step(self, data: Any) -> tf.Tensor:
        """The mean of p(x|z) at the mean of q(z|x)."""
        x, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        given = self._to_given(x)
        return self._likelihood(central_value(self._posterior(given)), given).mean()

    def encode(self, x: Any) -> Any:
        """The posterior q(z|x, c), of batch shape `[B]`.

        Args:
            x: `[B, ...]`, or a dict of what is given by name, each `[B, ...]`; or a
                `tf.data.Dataset` of batches of such, read as one.

        Returns:
            A distribution over z; over a dict of latents if there are several.
        """
        return self._posterior(self._checked(x))

    def decode(self, z: Any, condition: Any = None) -> tfd.Distribution:
        """The likelihood p(x|z, c), of batch shape `[B]`.

        Args:
            z: `[B, *latent]`, or a dict of latents by name.
            condition: a dict of conditions by name, each `[B, ...]`.

        Raises:
            ValueError: if a condition is missing, unknown, or of another batch size.
        """
        if z is None or isinstance(z, str):
            raise TypeError(
                f"`z` must be a tensor, or a dict of latents by name; received {z!r}."
            )
        z = keras.tree.map_structure(tf.convert_to_tensor, z)
        for value in keras.tree.flatten(z):
            checks.check_input(value, "z")
        z = keras.tree.map_structure(lambda value: tf.cast(value, self.variable_dtype), z)
        checks.check_latents(z, self.structure)
        count = keras.tree.flatten(z)[0].shape[0]
        return self._likelihood(z, given_conditions(condition, self.structure, count))

    def sample(
        self, num_samples: int | None = None, seed: Any = None, condition: Any = None
    ) -> tf.Tensor:
        """Draws from p(x|c): z from the prior, x from p(x|z, c).

        `sample(n, seed=s)` gives row i the key (s, step 0, row i); `sample(seed=[...])`
        draws one sample a seed, which depends on that seed alone, and is what a served
        model gives for it.

        Args:
            num_samples: the number of samples; omit it if `seed` is a vector, or
                `condition` is given.
            seed: an integer, a vector of integers, or `None` for fresh numbers.
            condition: a dict of conditions by name, each `[num_samples, ...]`: one sample
                for each row.

        Returns:
            `[num_samples, *event]`.

        Raises:
            ValueError: if neither `num_samples`, a vector `seed` nor `condition` is given,
                or they imply different numbers; or if a condition is missing or unknown.
            TypeError: if a number is not of an integer type.
        """
        return self._sample(0, num_samples, seed, condition)

    def sample_mean(
        self, num_samples: int | None = None, seed: Any = None, condition: Any = None
    ) -> tf.Tensor:
        """The means of p(x|z, c), for the z that `sample` draws; arguments as `sample`'s.

        For binary pixels, a draw looks like salt-and-pepper noise, and a mean like an
        image.
        """
        return self._sample(1, num_samples, seed, condition)

    def _sample(
        self, which: int, num_samples: int | None, seed: Any, condition: Any
    ) -> tf.Tensor:
        """Draws, 0, or means, 1: the other is not computed."""
        given = given_conditions(condition, self.structure, None)
        if given and num_samples is None and (seed is None or np.ndim(seed) == 0):
            num_samples = int(num_rows(given))
        keys = self._sample_keys(num_samples, seed)
        checks.check_same_rows(given, int(keys.shape[0]), "condition", "samples asked for")

        def make() -> Callable:
            return lambda keys, given: self._sample_by_key(keys, given)[which]

        name = ("sample", "sample_mean")[which]
        return self._drawn(name, make, keys, given, self._width)

    def _sample_by_key(
        self, keys: tf.Tensor, given: Mapping[str, Any]
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """A draw of x, and the mean of p(x|z, c), for each key `[B, 2]`."""
        latent = random.stream(keys, random.Stream.LATENT)
        z = sample(self._prior_at(given), latent)
        # A discrete prior may draw integers.
        z = tf.nest.map_structure(lambda t: tf.cast(t, self.variable_dtype), z)
        likelihood = self._likelihood(z, given)
        draws = sample(likelihood, random.stream(keys, random.Stream.OBSERVED))
        return draws, likelihood.mean()

    def reconstruct(self, x: Any, seed: Any = None) -> tf.Tensor:
        """The mean of p(x|z) for one z drawn from q(z|x) an example.

        Args:
            x: `[B, ...]`, or a dict of what is given by name.
            seed: an integer, or `None` for fresh numbers.

        Returns:
            `[B, *event]`.
        """
        given = self._checked(x)
        return self._reconstruct(given, self._keys(seed, num_rows(given)))

    def _reconstruct(self, given: Mapping[str, Any], keys: tf.Tensor) -> tf.Tensor:
        latent = random.stream(keys, random.Stream.LATENT)
        z = sample(self._posterior(given), latent)
        return self._likelihood(z, given).mean()

    # Weights.

    def log_weights(
        self,
        x: Any,
        num_samples: int,
        seed: Any = None,
        y: Any = None,
        posterior: Any = None,
    ) -> tf.Tensor:
        """log w = log p(y|z) + log p(z) - log q(z|x), z drawn from q(z|x).

        Args:
            x: `[B, ...]`, what the encoder sees, or a dict of what is given by name; or a
                `tf.data.Dataset` of batches of x or (x, y), read as one.
            num_samples: K.
            seed: an integer, or `None` for fresh numbers. Row b is keyed by (seed, b).
            y: `[B, *event]`, what the likelihood is of; x unless given.
            posterior: the distribution to draw z from, of batch shape `[B]`, such as
                `model.refine(x, 200)`; the encoder's output unless given.

        Returns:
            `[K, B]`, in nats.
        """
        return self.log_weight_terms(x, num_samples, seed, y, posterior).total

    def log_weight_terms(
        self,
        x: Any,
        num_samples: int = 1,
        seed: Any = None,
        y: Any = None,
        posterior: Any = None,
        z: Any = None,
    ) -> LogWeights:
        """The three terms of `log_weights`, at z drawn or given.

        Args:
            x: as `log_weights`'.
            num_samples: as `log_weights`'; ignored if `z` is given.
            seed: as `log_weights`'.
            y: as `log_weights`'.
            posterior: as `log_weights`'.
            z: `[K, B, *latent]`, or a dict of latents by name; drawn unless given.

        Returns:
            A `tfgen.losses.LogWeights`, three tensors `[K, B]`.
        """
        num_samples = checks.positive_integer(num_samples, "num_samples")
        given, y = self._prepare(x, y, posterior)
        keys = self._keys(seed, num_rows({"y": y})) if z is None else None
        if z is not None:
            z = self._checked_draws(z, y.shape[0])
        factory, tensors = _taken_apart(posterior)

        def make() -> Callable:
            def terms(given: Any, y: Any, tensors: Any, keys: Any, z: Any) -> LogWeights:
                q = factory(tensors) if factory else self._posterior(given)
                return self._log_weight_terms(
                    q, y, given, num_samples=num_samples, key=keys, z=z
                )

            return terms

        name = ("log_weight_terms", factory, num_samples if z is None else None)
        program = self.program(name, make, reduce_retracing=True)
        return program(given, y, tensors, keys, z)

    def _checked_draws(self, z: Any, count: Any) -> Any:
        """z `[K, B, *latent]`, or a dict of such, as tensors of the model's dtype."""
        latents = self.structure.latents
        if isinstance(z, Draws) or (self.structure.is_joint and not isinstance(z, Mapping)):
            return z

        def checked(value: Any, event_shape: Any, name: str) -> tf.Tensor:
            value = tf.convert_to_tensor(value)
            shapes = [tf.TensorShape([None, n, *event_shape]) for n in (count, 1)]
            if not any(map(value.shape.is_compatible_with, shapes)):
                raise ValueError(
                    f"`{name}` must have shape [K, B, *latent], {tuple(shapes[0])}; "
                    f"received {tuple(value.shape)}. Reshape it."
                )
            return tf.cast(value, self.variable_dtype)

        if not isinstance(z, Mapping):
            return checked(z, latents["z"], "z")
        if set(z) != set(latents):
            raise ValueError(f"`z` must hold {list(latents)}; received {list(z)}.")
        return {name: checked(z[name], latents[name], f"z[{name!r}]") for name in z}

    def log_prob(
        self,
        x: Any,
        num_samples: int = 5000,
        seed: Any = None,
        y: Any = None,
        posterior: Any = None,
    ) -> tf.Tensor:
        """log p(x), estimated by importance sampling: L_K on `num_samples` samples.

        It is a lower bound in expectation, and tends to log p(x) as `num_samples` grows.
        `tfgen.evaluation.log_likelihood` gives standard errors too. Memory is bounded:
        examples and samples are taken in blocks.

        Args:
            x: as `log_weights`'.
            num_samples: K.
            seed: an integer, or `None` for fresh numbers.
            y: as `log_weights`'.
            posterior: as `log_weights`'.

        Returns:
            `[B]`, in nats.
        """
        sums = self.importance_sums(x, num_samples, seed, y, posterior)
        return sums.log_sum - tf.math.log(tf.cast(num_samples, sums.log_sum.dtype))

    def importance_sums(
        self,
        x: Any,
        num_samples: int,
        seed: Any = None,
        y: Any = None,
        posterior: Any = None,
        keep: int = 0,
        progress: Callable[[int], None] | None = None,
    ) -> WeightSums:
        """Sums of K importance weights of each example, in bounded memory.

        Args:
            x: as `log_weights`'.
            num_samples: K.
            seed: as `log_weights`'.
            y: as `log_weights`'.
            posterior: as `log_weights`'.
            keep: how many of each row's largest log-weights to keep.
            progress: called after each block with the number of examples that are done.

        Returns:
            `log_sum`, `log_sum_squares` and `sum_logs`, each `[B]`, and `largest`, the
            largest log-weights, descending, `[keep, B]`.
        """
        num_samples = checks.positive_integer(num_samples, "num_samples")
        if keep != 0:
            keep = checks.positive_integer(keep, "keep")
        given, y = self._prepare(x, y, posterior)
        count = num_rows({"y": y})
        keys = self._keys(seed, count)
        factory, tensors = _taken_apart(posterior)

        def make() -> Callable:
            def sums(
                block: Any, first_sample: tf.Tensor, num_samples: int, rows: int
            ) -> WeightSums:
                of_rows = functools.partial(sums_of_rows, first_sample, num_samples)
                return mapped_row_blocks(of_rows, block, rows).transposed()

            def sums_of_rows(
                first_sample: tf.Tensor, num_samples: int, block: Any
            ) -> WeightSums:
                given, y, tensors, keys = block
                q = factory(tensors) if factory else self._posterior(given)
                terms = self._log_weight_terms(
                    q,
                    y,
                    given,
                    num_samples=num_samples,
                    key=keys,
                    first_sample=first_sample,
                )
                return WeightSums.of(terms.total, keep).transposed()

            return sums

        name = ("importance_sums", factory, keep)
        # Without XLA two traces: one of the first number of rows, one of any other.
        return importance_sums(
            lambda xla: (
                self.program(name, make, jit_compile=True)
                if xla
                else self.program(name, make, reduce_retracing=True)
            ),
            (given, y, tensors, keys),
            count if isinstance(count, int) else None,
            num_samples,
            self._width,
            keep,
            xla=xla_pays(self),
            progress=progress,
        )

    @property
    def _width(self) -> int:
        """Numbers in the largest intermediate of one row and sample, about."""
        latent = sum(int(np.prod(shape)) for shape in self.structure.latents.values())
        return max(int(np.prod(self.structure.event_shape)), latent**2, 256)

    def refine(
        self,
        x: Any,
        steps: int,
        learning_rate: float = 0.05,
        num_samples: int = 8,
        seed: Any = None,
        y: Any = None,
        posterior: Any = None,
        progress: Callable[[int], None] | None = None,
    ) -> Any:
        """q(z|x) after gradient steps on each example's own parameters.

        They start at the encoder's output and maximise the ELBO; encoder, decoder and prior
        are not changed. An example whose ELBO ends below its start, by two standard errors
        of a comparison on fresh noise, keeps its start. The gain is the encoder's
        amortization gap, see `tfgen.evaluation.inference_gap`. If a latent depends on
        another, the refined numbers are an offset that is added to the parameters from its
        network.

        Args:
            x: as `log_weights`'.
            steps: steps of Adam, at least 0; 100 to 500 are usual.
            learning_rate: the initial learning rate; it decreases to 0 by half a cosine.
            num_samples: posterior samples for each example and step.
            seed: an integer, or `None` for fresh numbers.
            y: as `log_weights`'.
            posterior: where to start; the encoder's output unless given.
            progress: called after each block with the number of examples that are done.

        Returns:
            The refined posterior, of the encoder's family and of batch shape `[B]`.

        Raises:
            TypeError: if `steps` or `num_samples` is not an integer, or if the encoder does
                not end in a layer of `tfgen.layers`.
            ValueError: if `steps` < 0, or another argument is out of range.

        Source: Kim et al. Semi-amortized variational autoencoders. arXiv 1802.02550.
        """
        steps = check_steps(steps)
        num_samples = checks.positive_integer(num_samples, "num_samples")
        learning_rate = checks.positive_number(learning_rate, "learning_rate")
        given, y = self._prepare(x, y, posterior)
        start = self._posterior(given) if posterior is None else posterior
        check_posterior(start, "`refine` needs an encoder that ends in", None)
        count = int(start.batch_shape[0])
        if not is_pathwise(start):
            raise ValueError(
                "`refine` needs a posterior that can be reparameterized, since it ascends "
                f"the ELBO through z; received one over discrete latents, {start.name!r}. "
                "Take more samples in `log_prob` instead."
            )
        factory, tensors = _taken_apart(start)
        numbers = num_samples * int(np.prod(self.structure.event_shape))
        xla = xla_pays(self) and steps * count * numbers > _XLA_NUMBERS
        program = self.program(
            ("refine", factory, num_samples),
            lambda: self._refinement(factory, num_samples),
            jit_compile=xla or None,
        )
        rate = tf.constant(learning_rate, self.variable_dtype)
        refined = in_row_blocks(
            lambda block: program(*block, tf.constant(steps), rate),
            (given, y, tensors, self._keys(seed, count)),
            count,
            max(1, _REFINED_NUMBERS // numbers),
            progress,
        )
        return start.rebuild(refined)

    def _refinement(self, factory: Callable, num_samples: int) -> Callable:
        """Returns a function from a block of rows to their refined raw parameters."""
        bound = ELBO(num_samples, kl="monte_carlo", estimator="stl")

        def program(
            given: Any, y: Any, tensors: Any, keys: tf.Tensor, steps: Any, rate: Any
        ) -> Any:
            start = factory(tensors)
            raw = start.raw_parameters
            leaves = tf.nest.flatten(raw)
            sizes = [leaf.shape[-1] for leaf in leaves]

            def evaluate(rows: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
                parts = tf.nest.pack_sequence_as(raw, tf.split(rows, sizes, axis=-1))
                return bound.evaluate(
                    start.rebuild(parts),
                    self._prior_at(given),
                    lambda z: self._log_likelihood(y, z, given),
                    noise,
                ).objective

            rows = refine_rows(evaluate, tf.concat(leaves, axis=-1), keys, steps, rate)
            return tf.nest.pack_sequence_as(raw, tf.split(rows, sizes, axis=-1))

        return program

    def export(
        self,
        filepath: str | os.PathLike,
        version: int | None = None,
        num_samples: int = 50,
        xla: bool = False,
    ) -> str:
        """Writes a SavedModel for TensorFlow Serving.

        | signature | in | out |
        |---|---|---|
        | `serving_default` = `sample` | `seed` int64 [B] | `samples`, `mean` [B, ...] |
        | `decode` | `z` [B, D] | `mean` [B, ...] |
        | `encode` | `x` [B, ...] | `mean` [B, D]; of a Gaussian `scale`, sigma or S |
        | `reconstruct` | `x`, `seed` | `mean` [B, ...] |
        | `iwlb` | `x`, `seed` | `iwlb` [B], in nats |

        A model with conditions takes them as further inputs, by name: `sample` takes `seed`
        and `c`. A model of several latents decodes from them by name, and `encode` gives
        `mean_<name>` and `scale_<name>`. One seed is one sample, the same on every
        replica, in every batch and after every restart, and the same as
        `sample(seed=[...])` gives.

        Args:
            filepath: the base directory of the model, as the server reads it.
            version: a number, written as `filepath/version`; `None` takes the next.
            num_samples: K of `iwlb`.
            xla: whether to write a twin of each signature, named `..._xla`, that XLA
                compiles. A default server refuses to run those.

        Returns:
            The path of the version directory.

        Raises:
            ValueError: if the model was never built, or an argument is out of range.
            FileExistsError: if the version exists.
            OSError: if it can't be written. Earlier versions are left as they were.
        """
        self.structure  # noqa: B018 - raises where the model is not built
        num_samples = checks.positive_integer(num_samples, "num_samples")
        signatures = vae_signatures(self, num_samples)
        return serving.export(filepath, signatures, version=version, xla=xla)

    # Data.

    def _to_given(self, x: Any) -> dict[str, Any]:
        """The inputs, as tensors by name, of the types that the parts take."""
        found = self._get_structure()
        return to_tensors(of_x(x), {} if found is None else found.given)

    def _checked(self, x: Any) -> dict[str, Any]:
        """The inputs, as tensors by name, checked against the model's names and shapes."""
        given = of_x(read_dataset(x)[0])
        checks.check_inputs(given)
        self._build_for(given)
        given = self._to_given(given)
        checks.check_given(given, self.structure)
        return given

    def _prepare(
        self, x: Any, y: Any = None, posterior: Any = None
    ) -> tuple[dict[str, Any], Any]:
        """The inputs and the targets of the likelihood, checked.

        If a posterior is given, the encoder is not called, and the entry `x` is only the
        target of the likelihood.
        """
        is_dataset = isinstance(x, tf.data.Dataset)
        x, y = read_dataset(x, y)
        given = of_x(x)
        checks.check_inputs(given)
        same = y is None
        y = tf.convert_to_tensor(checks.observed(given) if same else y)
        if posterior is None:
            given = self._checked(given)
        else:
            check_posterior(posterior, "`posterior` must be made by", y.shape[0])
            given = given_conditions(_conditions(given), self.structure, y.shape[0])
        name = "x" if same else "y"
        self._check_observed_shape(tuple(y.shape), name, same, is_dataset)
        if tf.executing_eagerly():
            if not same and "x" in given and not isinstance(given["x"], list):
                checks.check_same_rows({"y": y}, num_rows(given), "y", "rows of x")
            checks.check_array(y, name)
            self.structure.check_support(y.numpy(), name)
        return given, y

    def _check_observed_shape(
        self, shape: tuple, name: str, same: bool, is_dataset: bool = False
    ) -> None:
        event = self.structure.event_shape
        if same:
            hint = "End the decoder in a distribution over the shape of x"
            if None not in shape[1:] and math.prod(shape[1:]) == math.prod(event):
                hint += (
                    f", {shape[1:]}, and begin the encoder with `keras.layers.Flatten()`; "
                    f"or reshape x: `x.reshape(-1, {', '.join(map(str, event))})`"
                )
            hint += "."
        else:
            instead = (
                "pass `dataset.map(lambda x, y: x)`" if is_dataset else "call `fit(x)`"
            )
            hint = (
                "`y` is the data whose likelihood is computed, and is x by default. "
                f"Labels are not used: {instead}."
            )
        checks.check_event(shape, name, event, hint)


def _conditions(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if name != "x"}


def _taken_apart(posterior: Any) -> tuple[Any, Any]:
    """The function that makes a given posterior, and the tensors it is made from."""
    if posterior is None:
        return None, None
    return posterior.factory, posterior.tensors
