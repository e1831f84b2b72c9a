"""Generative adversarial networks."""

import enum
import os
from collections.abc import Mapping
from typing import Any, ClassVar

import keras
import numpy as np
import tensorflow as tf

from tfgen import losses, random, serving
from tfgen.layers import noise_keys
from tfgen.models import checks
from tfgen.models.conditions import as_tensors, check_conditions
from tfgen.models.gan.checks import (
    check_batch,
    check_compile_options,
    check_data,
    check_networks,
    check_stabilisers,
    check_trainable,
)
from tfgen.models.gan.conditions import (
    Conditions,
    call_network,
    check_labels,
    find_classes,
)
from tfgen.models.gan.corrected import (
    batches,
    ratio_keys,
    sample_corrected,
    sample_logits,
)
from tfgen.models.gan.corrections import (
    Calibration,
    Correction,
    fit_calibration,
    get_correction,
)
from tfgen.models.gan.discriminator_trouble import DiscriminatorTrouble
from tfgen.models.gan.monitor import Monitor, OneSampleWarning, explain_divergence
from tfgen.models.gan.ratio import check_log_ratio, warn_of_ratio
from tfgen.models.gan.signatures import gan_signatures
from tfgen.models.gan.updates import (
    build_optimizer,
    frozen_copy,
    minimise,
    update_average,
)
from tfgen.models.generative import GenerativeModel
from tfgen.models.loss_guard import LossGuard
from tfgen.random import Stream
from tfgen.training import EvaluateCall, FitCall, PredictCall, data_first, global_rows

__all__ = ["GAN"]

_CHECK_SAMPLES = 1_000  # samples on which a log-ratio is checked


class _Role(enum.IntEnum):
    """The roles of a batch in a discriminator update; each has different augmentations."""

    REAL = 0
    FAKE = 1
    PENALTY = 2


@keras.saving.register_keras_serializable("tfgen")
class GAN(GenerativeModel):
    """A generator G(z), z ~ N(0, I), trained against a discriminator.

    The discriminator returns logits a(x), D(x) = sigmoid(a(x)); at its optimum
    a(x) = log p_data(x) - log p_gen(x), and every generator objective is a function of
    that number, see `tfgen.losses`. A training step updates the discriminator
    `discriminator_steps` times on the batch, each time against new samples, then the
    generator once, on new samples again.

    Logged are means over the batches of an epoch:

    | name | |
    |---|---|
    | `discriminator_loss` | what the discriminator minimises, without penalty |
    | `generator_loss` | what the generator minimises |
    | `accuracy` | of the discriminator; 1/2 where it tells nothing apart |
    | `mean_ratio` | E_gen exp(a), which is 1 at the optimal discriminator |
    | `ess` | (sum w)^2 / (B sum w^2) of the weights w = exp(a) of B samples, in (0, 1] |
    | `gradient_penalty` | where there is one, before its weight |

    `accuracy`, `mean_ratio` and `ess` are logged only if a is a log-ratio. `ess` is the
    share of a batch that a maximum-likelihood step learns from.

    Networks with several inputs take conditions: the generator has a `keras.Input` named
    `z`, the discriminator one named `x`, and every other input is a condition, with the
    same name in both. `fit({"x": x, "c": c})` then trains p_gen(x|c): the discriminator
    gets a sample with the condition that it was made from, and a(x, c) is log p_data(x|c) -
    log p_gen(x|c).

    Args:
        generator: a Keras model from z `[B, latent_dim]` to samples `[B, ...]`.
        discriminator: a Keras model from samples to logits, `[B, 1]` or `[B]`. For
            spectral normalisation wrap its layers in
            `keras.layers.SpectralNormalization`.
        latent_dim: the size of z.
        **kwargs: `keras.Model`'s.

    Raises:
        TypeError: if a network is not a Keras model or layer, or `latent_dim` is not an
            integer.
        ValueError: if `latent_dim` is below 1, the networks don't fit each other, or the
            discriminator returns anything but one logit for each example; if it ends in a
            sigmoid or softmax; if a network with several inputs has none named z or x.

    >>> generator = keras.Sequential([keras.layers.Dense(2)])
    >>> discriminator = keras.Sequential([keras.layers.Dense(1)])
    >>> gan = GAN(generator, discriminator, latent_dim=3)
    >>> gan.compile("adam", "adam", loss="maximum_likelihood")
    >>> history = gan.fit(np.zeros([8, 2], "float32"), verbose=0)
    >>> sorted(history.history)
    ['accuracy', 'discriminator_loss', 'ess', 'generator_loss', 'mean_ratio']
    >>> gan.sample(4, seed=0).shape.as_list()
    [4, 2]

    Source: Goodfellow et al. Generative adversarial nets. arXiv 1406.2661.
    """

    _parts: ClassVar[tuple[str, ...]] = ("generator", "discriminator")

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        latent_dim: int,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.latent_dim = checks.positive_integer(latent_dim, "latent_dim")
        self.sample_shape, self.conditions = check_networks(
            generator, discriminator, self.latent_dim
        )
        self._classes = find_classes([generator, discriminator], self.conditions)
        self.generator = generator
        self.discriminator = discriminator
        self.averaged_generator: keras.Model | None = None
        self._monitor: Monitor | None = None
        self.built = True

    def get_config(self) -> dict[str, Any]:
        """Generator and discriminator, as Keras serialises them, and the size of z."""
        return {**super().get_config(), "latent_dim": self.latent_dim}

    # Training.

    def compile(  # type: ignore[override]  # Keras names other arguments
        self,
        generator_optimizer: str | keras.Optimizer = "adam",
        discriminator_optimizer: str | keras.Optimizer = "adam",
        loss: str | losses.GANLoss = "maximum_likelihood",
        discriminator_steps: int = 1,
        gradient_penalty: str | None = None,
        gradient_penalty_weight: float = 10.0,
        label_smoothing: float = 0.0,
        generator_ema: float | None = None,
        guard: bool = True,
        **kwargs: Any,
    ) -> None:
        """Configures training.

        Args:
            generator_optimizer: a Keras optimizer or its name. It is the model's
                `optimizer`, which Keras's callbacks schedule.
            discriminator_optimizer: another.
            loss: a name of `tfgen.losses.known_gan_losses()` or a
                `tfgen.losses.GANLoss`; of any function f of the logits
                `tfgen.losses.GeneratorObjective(f)` makes max_G E f(a(G(z))).
            discriminator_steps: updates of the discriminator to one of the generator.
            gradient_penalty: `None`; `"r1"`, 1/2 E |grad a(x)|^2 over data; `"r1_r2"`,
                the same over data plus that over samples; or `"wgan_gp"`,
                E (|grad a| - 1)^2 between data and samples.
            gradient_penalty_weight: what the penalty is multiplied by; 10 in both
                papers.
            label_smoothing: s in [0, 1), one-sided: data have the label 1 - s. Any
                s > 0 moves the optimal logit away from the log-ratio.
            generator_ema: decay, in [0, 1), of a moving average of the generator's
                weights, which then makes the samples: `averaged_generator`. The decay of
                update t is min(generator_ema, t / (9 + t)), so that the average forgets
                the start. `None` samples from the last weights.
            guard: whether `fit` keeps a copy of the last good weights, and stops with it
                where a loss is not finite; see `tfgen.models.loss_guard`. `False` saves the
                copy's memory, and training continues with NaN.
            **kwargs: `run_eagerly`, `steps_per_execution`, `jit_compile`, as
                `keras.Model.compile`'s.

        Raises:
            TypeError: if `loss` is neither a name nor a loss, `discriminator_steps` no
                integer, `guard` no bool, or an argument is given that a GAN does not
                have, such as `optimizer` or `metrics`.
            ValueError: if an argument is out of its range, a name is unknown, both
                networks share an optimizer, labels are smoothed for a loss whose
                discriminator is no classifier, or a network keeps its weights in half
                precision.
        """
        check_compile_options(guard, kwargs)
        checks.check_precision(
            {"generator": self.generator, "discriminator": self.discriminator}
        )
        self.discriminator_steps = checks.positive_integer(
            discriminator_steps, "discriminator_steps"
        )
        self.loss = losses.get_gan_loss(loss)
        check_stabilisers(
            self.loss,
            gradient_penalty,
            gradient_penalty_weight,
            label_smoothing,
            generator_ema,
        )
        if isinstance(generator_optimizer, keras.Optimizer) and (
            generator_optimizer is discriminator_optimizer
        ):
            raise ValueError(
                "`generator_optimizer` and `discriminator_optimizer` must be two objects, "
                "since an optimizer keeps state for its variables; received one twice. "
                "Make a second."
            )
        checks.check_optimizer(generator_optimizer, "generator_optimizer")
        checks.check_optimizer(discriminator_optimizer, "discriminator_optimizer")
        generator_loss = self.loss
        optimizer = build_optimizer(generator_optimizer, self.generator)
        super().compile(optimizer=optimizer, auto_scale_loss=False, **kwargs)
        self.loss = generator_loss
        self.generator_optimizer = optimizer
        self.discriminator_optimizer = build_optimizer(
            discriminator_optimizer, self.discriminator
        )
        self.gradient_penalty = gradient_penalty
        self.gradient_penalty_weight = gradient_penalty_weight
        self.label_smoothing = label_smoothing
        self.generator_ema = generator_ema
        self._guard = guard
        self._execution = kwargs
        self._monitor = Monitor(self.loss, has_penalty=gradient_penalty is not None)
        self.averaged_generator = None
        if generator_ema is not None:
            self.averaged_generator = frozen_copy(
                self.generator, self.latent_dim, self.conditions
            )
        self._programs.clear()  # which may draw from an average of before

    def get_compile_config(self) -> dict[str, Any]:
        """The arguments of `compile`, as Keras serialises them."""
        if self._monitor is None:
            return {}
        serialize = keras.saving.serialize_keras_object
        return {
            "generator_optimizer": serialize(self.generator_optimizer),
            "discriminator_optimizer": serialize(self.discriminator_optimizer),
            "loss": serialize(self.loss),
            "discriminator_steps": self.discriminator_steps,
            "gradient_penalty": self.gradient_penalty,
            "gradient_penalty_weight": self.gradient_penalty_weight,
            "label_smoothing": self.label_smoothing,
            "generator_ema": self.generator_ema,
            "guard": self._guard,
            **self._execution,
        }

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compiles the model as `get_compile_config` described."""
        self.compile(**keras.saving.deserialize_keras_object(config))

    @property
    def monitor(self) -> Monitor:
        """The metrics that `fit` logs, available once the model is compiled."""
        if self._monitor is None:
            raise ValueError(
                "a GAN's losses are known when it is compiled; call `compile("
                "generator_optimizer, discriminator_optimizer, loss)` first."
            )
        return self._monitor

    @property
    def metrics(self) -> list[keras.Metric]:
        """The means that `fit` and `evaluate` log."""
        return [] if self._monitor is None else self._monitor.metrics

    def fit(self, x: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Trains both networks; arguments and result as `keras.Model.fit`'s.

        Args:
            x: data `[N, ...]` of a floating-point type and the samples' shape, a
                `tf.data.Dataset` of batches of it, or whatever else Keras takes. With
                conditions a dict, of x and of each condition by name, `[N, ...]`.
            *args: as `keras.Model.fit`'s; `y` must be left out.
            **kwargs: as `keras.Model.fit`'s.

        Returns:
            Keras's `History`.

        Raises:
            FloatingPointError: at a loss that is not finite; says at which step and why,
                and which objective avoids it. The model keeps its last good weights.
            TypeError: if x is not floating point.
            ValueError: if x is empty, not finite or of another shape, or has labels; if
                a condition is missing, unknown or of another shape or number of rows; if
                no network has a weight to train.
        """
        return super().fit(x, *args, **kwargs)

    def prepare_fit(self, call: FitCall) -> None:
        """Checks the data, and adds the guards."""
        check_trainable(self)
        self._check_call(call)
        if call.validation_data is not None:
            self._check_data(call.validation_data, "validation_data")
        call.callbacks[:0] = [OneSampleWarning(), DiscriminatorTrouble()]
        if self._guard:
            optimizers = [self.generator_optimizer, self.discriminator_optimizer]
            explain = explain_divergence(self.loss)
            call.callbacks.insert(0, LossGuard(self.monitor.watch, optimizers, explain))

    def prepare_evaluate(self, call: EvaluateCall) -> None:
        """Checks the data."""
        self._check_call(call)

    def check_batch(self, batch: Any, use: str) -> None:
        """Checks a batch of a dataset as arrays are checked."""
        x, y, weight = keras.utils.unpack_x_y_sample_weight(batch)
        if use == "predict":
            self._check_latent(x)
        elif y is None and weight is None:  # else a step refuses it
            self._check_data(x, "validation_data" if use == "validation" else "x")

    def prepare_predict(self, call: PredictCall) -> None:
        """Checks z, where it is an array."""
        self._check_latent(call.x)

    def _check_latent(self, z: Any) -> None:
        if isinstance(z, tf.data.Dataset):
            checks.check_batches(z, (self.latent_dim,), "z")
        elif isinstance(z, Mapping):
            names = ["z", *self.conditions]
            if sorted(z) != sorted(names):
                raise ValueError(
                    f"`z` must hold {names}; received {sorted(z)}. Give those alone."
                )
        elif z is None or isinstance(z, str) or hasattr(z, "shape"):
            checks.check_input(z, "z")
            checks.check_event(tuple(z.shape), "z", (self.latent_dim,))

    def _check_call(self, call: FitCall | EvaluateCall) -> None:
        for name in ("y", "sample_weight", "class_weight"):
            if getattr(call, name, None) is not None:
                raise ValueError(
                    f"`{name}` must be left out, since a GAN uses x and its conditions "
                    "alone; received one. Call `fit(x)` or `evaluate(x)`."
                )
        self._check_data(call.x)

    def _check_data(self, x: Any, name: str = "x") -> None:
        check_data(x, self.sample_shape, self.conditions, name)
        if isinstance(x, dict):
            check_labels(x, self._classes, name)

    @data_first
    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        """`discriminator_steps` updates of the discriminator, one of the generator."""
        real, given = check_batch(data, self.sample_shape, self.conditions)
        rows, total = global_rows(real.shape[0] or tf.shape(real)[0])
        share = tf.cast(tf.size(rows), tf.float32) / tf.cast(total, tf.float32)
        update = tf.cast(self._train_step_number.value + 1, tf.float32)
        keys = self._train_keys(rows)
        numbers = range(self.discriminator_steps + 1)
        *early, last = [random.stream(keys, Stream.UPDATE, number) for number in numbers]
        by_discriminator = [
            self._train_discriminator(real, given, keys, share) for keys in early
        ]
        by_generator = self._train_generator(real, given, last, share)
        self._update_average(update)
        self.monitor.track_step(by_discriminator, by_generator)
        return self.monitor.logs

    def test_step(self, data: Any) -> dict[str, tf.Tensor]:
        """The losses on a batch; see `keras.Model.test_step`."""
        real, given = check_batch(data, self.sample_shape, self.conditions)
        keys = self._test_keys(*global_rows(real.shape[0] or tf.shape(real)[0]))
        fake = self._generate(self.generator, keys, given)
        self._discriminator_objective(real, fake, given, keys, training=False)
        self._generator_objective(fake, real, given, keys, training=False)
        return self.monitor.logs

    def _train_discriminator(
        self, real: tf.Tensor, given: Conditions, keys: tf.Tensor, share: tf.Tensor
    ) -> list[tf.Tensor]:
        fake = self._generate(self.generator, keys, given, training=True)
        fake = tf.stop_gradient(fake)
        return minimise(
            lambda: self._discriminator_objective(real, fake, given, keys, training=True),
            self.discriminator_optimizer,
            self.discriminator.trainable_variables,
            share,
        )

    def _train_generator(
        self, real: tf.Tensor, given: Conditions, keys: tf.Tensor, share: tf.Tensor
    ) -> list[tf.Tensor]:
        def objective() -> tuple[tf.Tensor, list[tf.Tensor]]:
            fake = self._generate(self.generator, keys, given, training=True)
            return self._generator_objective(fake, real, given, keys, training=True)

        variables = self.generator.trainable_variables
        return minimise(objective, self.generator_optimizer, variables, share)

    def _update_average(self, update: tf.Tensor) -> None:
        if self.averaged_generator is not None:
            decay = tf.minimum(self.generator_ema, update / (9.0 + update))
            update_average(self.averaged_generator, self.generator, decay)

    def _discriminator_objective(
        self,
        real: tf.Tensor,
        fake: tf.Tensor,
        given: Conditions,
        keys: tf.Tensor,
        training: bool,
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """The discriminator's loss, including the penalty, and the values to watch."""
        real_logits = self._discriminate(real, given, keys, _Role.REAL, training)
        fake_logits = self._discriminate(fake, given, keys, _Role.FAKE, training)
        loss = self.loss.discriminator(real_logits, fake_logits, self.label_smoothing)
        penalty = self._penalty(real, fake, given, keys, training)
        watched = self.monitor.track_discriminator(loss, real_logits, fake_logits, penalty)
        if penalty is not None:
            loss += self.gradient_penalty_weight * tf.cast(penalty, loss.dtype)
        return loss, watched

    def _penalty(
        self,
        real: tf.Tensor,
        fake: tf.Tensor,
        given: Conditions,
        keys: tf.Tensor,
        training: bool,
    ) -> tf.Tensor | None:
        if self.gradient_penalty is None:
            return None

        def discriminator(x: tf.Tensor) -> tf.Tensor:
            return self._discriminate(x, given, keys, _Role.PENALTY, training)

        if self.gradient_penalty == "r1":
            return losses.r1_penalty(discriminator, real)
        fake = tf.cast(fake, real.dtype)
        if self.gradient_penalty == "r1_r2":
            return losses.r1_r2_penalty(discriminator, real, fake)
        mixture = random.uniform(random.stream(keys, Stream.MIXTURE), [1], dtype=real.dtype)
        return losses.wgan_gp_penalty(discriminator, real, fake, mixture)

    def _generator_objective(
        self,
        fake: tf.Tensor,
        real: tf.Tensor,
        given: Conditions,
        keys: tf.Tensor,
        training: bool,
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """The generator's loss, and the values to watch."""
        fake_logits = self._discriminate(fake, given, keys, _Role.FAKE, training)
        real_logits = None
        if self.loss.needs_real_logits:
            real_logits = self._discriminate(real, given, keys, _Role.REAL, training)
        loss = self.loss.generator(fake_logits, real_logits)
        return loss, self.monitor.track_generator(loss, fake_logits)

    def _discriminate(
        self, x: tf.Tensor, given: Conditions, keys: tf.Tensor, role: _Role, training: bool
    ) -> tf.Tensor:
        """Logits of a batch; layers that draw noise use the rows' keys."""
        with noise_keys(keys, role):
            return call_network(self.discriminator, x, given, training=training)

    # Use.

    def call(self, z: Any, training: bool = False) -> tf.Tensor:
        """Samples G(z), for z `[B, latent_dim]`; `predict(z)` returns the same.

        With conditions z is a dict, of `z` and each condition.
        """
        return self._sampler(z, training=training)

    def sample(
        self,
        num_samples: int | None = None,
        seed: Any = None,
        condition: Conditions | None = None,
        correction: str | Correction | None = None,
        return_info: bool = False,
    ) -> Any:
        """Draws G(z), z ~ N(0, I), from `averaged_generator` where there is one.

        `sample(n, seed=s)` gives row i the key (s, step 0, row i); `sample(seed=[...])`
        draws one sample a seed, which depends on that seed alone, and is what a served
        model gives for it. A `correction` draws z of the law N(z; 0, I) exp(a(G(z)))
        instead, for which the samples are the data's where a is the log-ratio.

        Args:
            num_samples: how many; left out where `seed` is a vector, and may be where
                there is a `condition`, one row of which makes one sample.
            seed: an integer, a vector of integers, or `None` for fresh numbers.
            condition: what the generator and the discriminator take beside z and x, by
                name, `[num_samples, ...]` each; `None` where that is nothing.
            correction: `None`; "rejection", "metropolis_hastings" or "langevin"; or an
                object such as `tfgen.models.RejectionSampling(num_proposals=100)`.
            return_info: whether to return how many proposals the correction took, too.

        Returns:
            `[num_samples, ...]`; with `return_info` a pair, of that and a
            `CorrectionReport`.

        Raises:
            ValueError: if both or neither of `num_samples` and a vector `seed` are given;
                if a condition is missing, unknown, or of another shape or number of rows;
                if there is a correction and the loss makes the logit no log-ratio; if
                there is a report and no correction.
            TypeError: if `seed` or `num_samples` is not of an integer type, or
                `correction` no correction.
            RuntimeError: if the correction accepted no proposal at all.

        Warns:
            RuntimeWarning: if it accepted none for some of the samples.

        >>> generator = keras.Sequential([keras.layers.Dense(2)])
        >>> discriminator = keras.Sequential([keras.layers.Dense(1)])
        >>> gan = GAN(generator, discriminator, latent_dim=3)
        >>> pair, one = gan.sample(seed=[5, 7]), gan.sample(seed=[7])
        >>> bool(tf.reduce_all(abs(pair[1] - one[0]) < 1e-6))
        True
        >>> gan.compile("adam", "adam")
        >>> gan.sample(2, seed=0, correction="metropolis_hastings").shape.as_list()
        [2, 2]
        """
        checks.check_bool(return_info, "return_info")
        if correction is not None:
            correction = get_correction(correction)
            self._check_log_ratio("correction", up_to_constant=True)
        elif return_info:
            raise ValueError(
                "`return_info` must be False without a `correction`, which it reports on; "
                "received True. Pass one, such as `correction='rejection'`."
            )
        given = check_conditions(as_tensors(condition), self.conditions, None, "condition")
        if given and num_samples is None and np.ndim(seed if seed is not None else 0) == 0:
            num_samples = len(next(iter(given.values())))
        keys = self._sample_keys(num_samples, seed)
        check_conditions(given, self.conditions, keys.shape[0], "condition")
        check_labels(given, self._classes, "condition")
        tensors = {
            name: tf.cast(given[name], spec.dtype) for name, spec in self.conditions.items()
        }
        if correction is not None:
            samples, report = sample_corrected(self, keys, tensors, correction)
            return (samples, report) if return_info else samples
        width = int(np.prod(self.sample_shape))
        return self._drawn("sample", lambda: self._sample_by_key, keys, tensors, width)

    @property
    def _sampler(self) -> keras.Model:
        return self.averaged_generator or self.generator

    def _generate(
        self,
        generator: keras.Model,
        keys: tf.Tensor,
        given: Conditions,
        training: bool = False,
    ) -> tf.Tensor:
        z = random.normal(random.stream(keys, Stream.LATENT), [self.latent_dim])
        return call_network(generator, z, given, training=training)

    def _sample_by_key(self, keys: tf.Tensor, given: Conditions) -> tf.Tensor:
        samples = self._generate(self._sampler, keys, given)
        return tf.cast(samples, self.variable_dtype)

    def _check_log_ratio(self, what: str, up_to_constant: bool = False) -> None:
        self.monitor  # noqa: B018 - raises where the model is not compiled
        check_log_ratio(self.loss, self.label_smoothing, what, up_to_constant)

    def _logits(self, x: tf.Tensor, given: Conditions) -> tf.Tensor:
        """a(x), `[B]`, in the weights' precision."""
        logits = call_network(self.discriminator, x, given, training=False)
        return tf.cast(tf.reshape(logits, [-1]), self.variable_dtype)

    def calibrate(
        self, x: Any, seed: Any = None, bound_quantile: float = 1.0
    ) -> Calibration:
        """Fits slope a(x) + intercept to be the log-ratio, by data it was not trained on.

        A logistic regression of data against as many fresh samples, on the logit; see
        `Calibration`, whose errors show the improvement.

        Args:
            x: held-out data, `[N, ...]`, some thousand; with conditions a dict, of x and
                each condition, in which samples are drawn too.
            seed: an integer, or `None` for fresh samples.
            bound_quantile: the quantile of the calibrated logits that `RejectionSampling`
                takes as its bound M, in (0, 1]. Where a few samples have a far larger
                logit than all others, less than 1 accepts more and corrects less.

        Returns:
            A `Calibration`, for a correction or `log_density_ratio`.

        Raises:
            TypeError: if x is not floating point.
            ValueError: if the loss makes the logit no log-ratio, not even but for a
                constant; if x has another shape than the samples, or is too small, or
                shows that there is nothing to calibrate; if an argument is out of range.
        """
        self._check_log_ratio("calibrate", up_to_constant=True)
        if not 0.0 < bound_quantile <= 1.0:
            raise ValueError(
                f"`bound_quantile` must lie in (0, 1]; received {bound_quantile!r}."
            )
        x, given = self._checked_data(x)
        real = [self._logits(*part) for part in batches(x, given)]
        fake = sample_logits(self, self._keys(seed, len(x)), given)
        return fit_calibration(tf.concat(real, axis=0), fake, bound_quantile)

    def _checked_data(self, x: Any) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        if x is not None:
            x = keras.tree.map_structure(tf.convert_to_tensor, x)
        self._check_data(x)
        return check_batch(x, self.sample_shape, self.conditions)

    def log_density_ratio(
        self, x: Any, batch_size: int = 1024, calibration: Calibration | None = None
    ) -> tf.Tensor:
        """The discriminator's estimate of log p_data(x) - log p_gen(x): its logit a(x).

        Args:
            x: `[B, ...]`, of the samples' shape; with conditions a dict, of x and each
                condition, and the ratio is p_data(x|c) to p_gen(x|c).
            batch_size: how many are taken at a time.
            calibration: a result of `calibrate`, to be applied; `None` returns the logit
                unchanged.

        Returns:
            a(x), `[B]`, in nats.

        Raises:
            TypeError: if x is not floating point.
            ValueError: if the logit is no log-ratio, since the loss trains a critic or
                labels are smoothed; or if x has another shape than the samples.

        Warns:
            RuntimeWarning: if the mean of exp(a) over 1,000 samples, 1 of a true
                log-ratio, is below 1/2 or above 2 by 4 standard errors, or rests on fewer
                than 10 samples by its effective sample size.
        """
        self._check_log_ratio("log_density_ratio", up_to_constant=calibration is not None)
        batch_size = checks.positive_integer(batch_size, "batch_size")
        if calibration is not None and not isinstance(calibration, Calibration):
            raise TypeError(
                "`calibration` must be what `calibrate` returns; received "
                f"{calibration!r}. Call `gan.calibrate(x)`."
            )
        x, given = self._checked_data(x)
        parts = [self._logits(*part) for part in batches(x, given, batch_size)]
        logits = tf.concat(parts, axis=0)
        if tf.executing_eagerly():
            rows = np.arange(_CHECK_SAMPLES) % len(x)
            given = {name: tf.gather(value, rows) for name, value in given.items()}
            fake = sample_logits(self, ratio_keys(_CHECK_SAMPLES), given)
            warn_of_ratio(fake if calibration is None else calibration(fake))
        return logits if calibration is None else calibration(logits)

    def export(
        self,
        filepath: str | os.PathLike,
        version: int | None = None,
        xla: bool = False,
        corrections: Mapping[str, str | Correction] | None = None,
    ) -> str:
        """Writes a SavedModel for TensorFlow Serving.

        | signature | in | out |
        |---|---|---|
        | `serving_default` = `sample` | `seed` int64 [B] | `samples` [B, ...] |
        | `decode` | `z` [B, D] | `samples` [B, ...] |
        | `sample_<name>` | `seed` int64 [B] | `samples`, and `num_accepted` int32 [B] |

        The last for each of `corrections`, whose samples `sample(seed=..., correction=...)`
        gives; where `num_accepted` is 0 the sample is not corrected. The bound of a
        `RejectionSampling` is fixed now.

        Each condition is one more input of both, by its name. One seed is one sample, the
        same on every replica, in every batch and after every restart, and the same as
        `sample(seed=[...])` gives.

        Args:
            filepath: the base directory of the model, as the server reads it.
            version: a number, written as `filepath/version`; `None` takes the next.
            xla: whether to write a twin of each signature, named `..._xla`, that XLA
                compiles. A default server refuses to run those.
            corrections: what `sample` takes as `correction`, by the name that the
                signature ends in.

        Returns:
            The path of the version directory.

        Raises:
            ValueError: if an argument is out of range or `filepath` is empty; if there
                are corrections and the loss makes the logit no log-ratio.
            FileExistsError: if the version exists.
            OSError: if it can't be written. Earlier versions are left as they were.
        """
        if corrections is not None and not isinstance(corrections, Mapping):
            raise TypeError(
                "`corrections` must be a dict of corrections by name; received "
                f"{corrections!r}. Pass one such as {{'rejection': 'rejection'}}."
            )
        if corrections:
            self._check_log_ratio("corrections", up_to_constant=True)
        return serving.export(
            filepath, gan_signatures(self, corrections or {}), version=version, xla=xla
        )
