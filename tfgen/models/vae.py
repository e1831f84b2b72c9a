"""Variational and importance-weighted autoencoders."""

import inspect
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfgen import random
from tfgen.losses import Bound, get_bound
from tfgen.losses.bounds import Evaluation
from tfgen.models import checks
from tfgen.models.latent_variable import LatentVariableModel, first_leaf
from tfgen.models.log_weight_terms import LOG_WEIGHT_TERMS, explain_log_weights
from tfgen.models.loss_guard import LossGuard, LossWatch
from tfgen.training import global_rows

tfd = tfp.distributions

__all__ = ["IWAE", "VAE"]

_register = keras.saving.register_keras_serializable("tfgen")

# What a key is folded with, so that no two kinds of noise share numbers.
_TRAIN, _TEST = 0, 1


@_register
class VAE(LatentVariableModel):
    """A variational autoencoder: p(x) = integral p(x|z) p(z) dz, with posterior q(z|x).

    Three distributions: the encoder ends in q(z|x), the decoder in p(x|z), and the prior
    is p(z). Training maximises a bound on log p(x), by default the ELBO,

        E_q log p(x|z) - KL(q(z|x) || p(z)) <= log p(x).

    `fit(x)` takes x for both sides; in `fit(x, y)` the encoder sees x and the likelihood
    is of y (denoising, say). `sample_weight` weighs examples, with or without y. Logged,
    in nats an example: `loss`, what is minimised; the bound itself, `elbo` or `iwlb`;
    `reconstruction`, E_q log p(x|z); and `kl`; the last three are averages weighted by
    `sample_weight`. Noise is keyed by (seed, step, row), so a result does not depend on
    how it is computed; `evaluate` keys by the example's position, so the same data gives
    the same bound whatever the batch size.

    Args:
        encoder: a Keras model from x to a distribution over z, one that ends in a layer of
            `tfgen.layers`.
        decoder: a Keras model from z `[N, *latent]` to a distribution over x.
        prior: p(z), a `tfd.Distribution` or a Keras layer which, called without
            arguments, returns one and whose weights are trained; N(0, I) by default.
        **kwargs: `keras.Model`'s.

    Raises:
        TypeError: if the encoder or the decoder is no Keras model, returns no
            distribution, or if the prior is no distribution.
        ValueError: if the latent sizes of encoder, prior and decoder don't agree.

    >>> import keras, tfgen
    >>> encoder = keras.Sequential([
    ...     keras.layers.Input([64]),
    ...     keras.layers.Dense(tfgen.layers.MultivariateNormalTriL.params_size(2)),
    ...     tfgen.layers.MultivariateNormalTriL(2),
    ... ])
    >>> decoder = keras.Sequential([
    ...     keras.layers.Input([2]),
    ...     keras.layers.Dense(tfgen.layers.IndependentBernoulli.params_size([64])),
    ...     tfgen.layers.IndependentBernoulli([64]),
    ... ])
    >>> vae = VAE(encoder, decoder)
    >>> vae.compile("adam", "elbo")
    >>> history = vae.fit(np.zeros([8, 64]), verbose=0)
    >>> sorted(history.history)
    ['elbo', 'kl', 'loss', 'reconstruction']
    >>> vae.sample(3, seed=0).shape.as_list()
    [3, 64]

    Source: Kingma, Welling. Auto-encoding variational Bayes. arXiv 1312.6114.
    """

    default_loss = "elbo"
    _objective: "_Objective | None" = None

    # Training.

    def compile(  # type: ignore[override]  # Keras names other arguments
        self,
        optimizer: Any = "adam",
        loss: str | Bound | None = None,
        metrics: Any = None,
        **kwargs: Any,
    ) -> None:
        """Configures training; arguments as `keras.Model.compile`'s.

        Args:
            optimizer: a Keras optimizer or its name.
            loss: `"elbo"`, `"iwlb"`, or a bound of `tfgen.losses`; the class's default
                unless given.
            metrics: Keras metrics of y and the mean of p(x|z).
            **kwargs: `run_eagerly`, `steps_per_execution`, `jit_compile`, ...; the last two
                are `"auto"` by default, see `tfgen.training.FusedModel.compile`.

        Raises:
            ValueError: if `loss` is unknown or can't be estimated for the model's
                distributions.
            TypeError: if `loss` is neither a name nor a bound.
        """
        bound = get_bound(self.default_loss if loss is None else loss)
        if self.built:
            bound.check(self._example_posterior(), self.prior)
        super().compile(optimizer=optimizer, metrics=metrics, **kwargs)
        self._objective = _Objective(bound)
        self._has_metrics = metrics is not None

    @property
    def bound(self) -> Bound:
        """The bound that the model was compiled with."""
        return self._compiled_objective.bound

    @property
    def _compiled_objective(self) -> "_Objective":
        if self._objective is None:
            raise ValueError(
                "`bound` is known when the model is compiled; call `compile(optimizer, "
                "loss)` first."
            )
        return self._objective

    def get_compile_config(self) -> dict[str, Any]:
        """The arguments of `compile`, as Keras serialises them."""
        if self._objective is None:
            return {}
        return {
            **super().get_compile_config(),
            "loss": keras.saving.serialize_keras_object(self._objective.bound),
        }

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compiles the model as `get_compile_config` described."""
        config = keras.saving.deserialize_keras_object(config)
        config.pop("loss_weights", None)
        self.compile(**config)
        if self.built:
            self.optimizer.build(self.trainable_variables)

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """The loss, the bound and its parts, and the metrics given to `compile`."""
        own = self._objective.metrics if self._objective is not None else []
        known = super().metrics
        return [*known[:1], *own, *known[1:]]

    def reset_metrics(self) -> None:
        """Resets the metrics, and the row that `evaluate` counts from."""
        super().reset_metrics()
        self._test_row.assign(0)
        if self._objective is not None:
            self._objective.watch.reset_state()

    def fit(self, x: Any = None, y: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Trains the model; arguments and result as `keras.Model.fit`'s.

        Args:
            x: what the encoder sees: an array `[N, ...]`, a `tf.data.Dataset` of x, (x, y)
                or (x, y, sample_weight), or whatever else Keras takes.
            y: what the likelihood is of, `[N, *event]`; x unless given.
            *args: as `keras.Model.fit`'s.
            **kwargs: as `keras.Model.fit`'s.

        Returns:
            Keras's `History`.

        Raises:
            ValueError: if the data are empty, of the wrong shape, not finite, or outside
                the likelihood's support.
            TypeError: if they are not numeric.
            FloatingPointError: at a loss that is not finite; the message says at which step
                and by which term. The model keeps its last good weights.
        """
        call = inspect.signature(keras.Model.fit).bind(self, x, y, *args, **kwargs)
        given = call.arguments
        given["y"] = self._check_data(given["x"], given["y"], given.get("sample_weight"))
        validation = given.get("validation_data")
        if validation is not None:
            val_x, val_y, val_weight = keras.utils.unpack_x_y_sample_weight(validation)
            val_y = self._check_data(val_x, val_y, val_weight, prefix="validation ")
            if val_y is not None:
                given["validation_data"] = (val_x, val_y, val_weight)
        watch = self._compiled_objective.watch
        guard = LossGuard(watch, [self.optimizer], explain_log_weights)
        # A `CallbackList` is a callback too.
        given["callbacks"] = [guard, *keras.tree.flatten(given.get("callbacks") or [])]
        return super().fit(*call.args[1:], **call.kwargs)

    def evaluate(self, x: Any = None, y: Any = None, *args: Any, **kwargs: Any) -> Any:
        """The bound on held-out data; arguments and result as `keras.Model.evaluate`'s."""
        if kwargs.get("_use_cached_eval_dataset"):  # from within `fit`, which checked it
            return super().evaluate(x, y, *args, **kwargs)
        call = inspect.signature(keras.Model.evaluate).bind(self, x, y, *args, **kwargs)
        given = call.arguments
        given["y"] = self._check_data(given["x"], given["y"], given.get("sample_weight"))
        return super().evaluate(*call.args[1:], **call.kwargs)

    def _check_data(self, x: Any, y: Any, weight: Any, prefix: str = "") -> Any:
        """Checks what can be checked before the first step; returns the y to use."""
        if isinstance(x, tf.data.Dataset):
            x_spec, y_spec, _ = keras.utils.unpack_x_y_sample_weight(x.element_spec)
            self._build_for(keras.tree.map_structure(lambda spec: spec.shape, x_spec))
            y_spec = x_spec if y_spec is None else y_spec
            if isinstance(y_spec, tf.TensorSpec) and y_spec.shape.rank is not None:
                self._check_observed_shape(
                    tuple(y_spec.shape), f"{prefix}x", y_spec is x_spec
                )
            return y
        if not _is_array(x):
            return y
        self._build_for(x.shape)
        checks.check_array(x, f"{prefix}x", tuple(self.structure.input_shape)[1:])
        observed, name = (x, f"{prefix}x") if y is None else (y, f"{prefix}y")
        if _is_array(observed):
            self._check_observed_shape(tuple(observed.shape), name, y is None)
            checks.check_array(observed, name)
            self.structure.check_support(np.asarray(observed), name)
        if weight is not None:
            checks.check_weights(weight, len(x))
            return x if y is None else y  # Keras drops weights where y is missing.
        return y

    def _build_for(self, shapes: Any) -> None:
        was_built = self.built
        super()._build_for(shapes)
        if self._objective is not None and not was_built:
            self._objective.bound.check(self._example_posterior(), self.prior)

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        """One step on a batch; see `keras.Model.train_step`."""
        x, y, weight = self._unpack(data)
        rows, total = global_rows(_batch_size(x))
        key = self._train_keys(rows)
        with tf.GradientTape() as tape:
            evaluation = self._evaluate(x, y, key, training=True)
            loss, share = self._losses_of(evaluation, weight, total)
            scaled = self.optimizer.scale_loss(share)
        variables = self.trainable_weights
        gradients = tape.gradient(scaled, variables)
        self.optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return self._update_metrics(loss, evaluation, x, y, weight)

    def _train_keys(self, rows: tf.Tensor) -> tf.Tensor:
        """The keys of rows of the global batch in a training step, which it counts."""
        step = tf.identity(self._train_step_number.value)
        stream = random.fold_in(random.key(self._noise_seed.value), _TRAIN)
        self._train_step_number.assign(step + 1)
        return random.row_keys(stream, step, rows)

    def test_step(self, data: Any) -> dict[str, tf.Tensor]:
        """The bound at a batch; see `keras.Model.test_step`."""
        x, y, weight = self._unpack(data)
        rows, total = global_rows(_batch_size(x))
        first = self._test_row.value
        stream = random.fold_in(random.key(self._noise_seed.value), _TEST)
        key = random.row_keys(stream, 0, first + tf.cast(rows, tf.int64))
        evaluation = self._evaluate(x, y, key, training=False)
        loss, _ = self._losses_of(evaluation, weight, total)
        self._test_row.assign(first + tf.cast(total, tf.int64))
        return self._update_metrics(loss, evaluation, x, y, weight)

    def _unpack(self, data: Any) -> tuple[Any, Any, Any]:
        x, y, weight = keras.utils.unpack_x_y_sample_weight(data)
        same = y is None
        y = x if same else y
        x = self._encoder_inputs(x)
        # Data from a generator are first seen here.
        self._build_for(keras.tree.map_structure(lambda t: t.shape, x))
        if tf.is_tensor(y) and y.shape.rank is not None:
            self._check_observed_shape(tuple(y.shape), "x" if same else "y", same)
        if weight is not None:
            weight = tf.cast(weight, keras.backend.floatx())
        return x, y, weight

    def _evaluate(self, x: Any, y: Any, key: tf.Tensor, training: bool) -> Evaluation:
        return self._evaluate_at(self.encoder(x, training=training), y, key, training)

    def _evaluate_at(
        self, posterior: tfd.Distribution, y: Any, key: tf.Tensor, training: bool
    ) -> Evaluation:
        def log_likelihood(z: tf.Tensor) -> tf.Tensor:
            return self._log_likelihood(y, z, training)

        return self.bound.evaluate(posterior, self.prior, log_likelihood, key)

    def _losses_of(
        self, evaluation: Evaluation, weight: Any, total: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """The loss of the rows here, and their share of the global batch's loss.

        The optimizer sums the replicas' gradients, so their shares have to add up.
        """
        per_example = -evaluation.objective
        if weight is not None:
            per_example *= tf.cast(weight, per_example.dtype)
        added = tf.add_n([tf.zeros([], per_example.dtype), *self.losses])
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        share = tf.reduce_sum(per_example) / tf.cast(total, per_example.dtype)
        return tf.reduce_mean(per_example) + added, share + added / replicas

    def _update_metrics(
        self, loss: tf.Tensor, evaluation: Evaluation, x: Any, y: Any, weight: Any
    ) -> dict[str, tf.Tensor]:
        batch_size = tf.shape(evaluation.bound)[0]
        self.metrics[0].update_state(loss, sample_weight=batch_size)
        self._compiled_objective.update(loss, evaluation, weight)
        if self._has_metrics:
            rows = tf.range(_batch_size(x))
            likelihood = self._reconstruct(x, random.row_keys(0, 0, rows))
            return self.compute_metrics(x, y, likelihood.mean(), sample_weight=weight)
        return self.get_metrics_result()

    def summary(self, *args: Any, **kwargs: Any) -> None:
        """Keras's summary, and a line on how the bound is computed."""
        super().summary(*args, **kwargs)
        if self._objective is not None and self.built:
            text = self.bound.describe(self._example_posterior(), self.prior)
            kwargs.get("print_fn", print)(f" Objective: {text}")


@_register
class IWAE(VAE):
    """An importance-weighted autoencoder: a `VAE` trained by the IWLB by default.

    Its default loss is `tfgen.losses.IWLB()`, of 5 samples; arguments as `VAE`'s.

    Source: Burda, Grosse, Salakhutdinov. Importance weighted autoencoders.
    arXiv 1509.00519.
    """

    default_loss = "iwlb"


class _Objective:
    """A bound, the metrics it is logged by, and the watch on its losses."""

    def __init__(self, bound: Bound) -> None:
        self.bound = bound
        self.metrics = [
            keras.metrics.Mean(name=name) for name in (bound.label, "reconstruction", "kl")
        ]
        self.watch = LossWatch(LOG_WEIGHT_TERMS)

    def update(self, loss: tf.Tensor, evaluation: Evaluation, weight: Any) -> None:
        self.watch.update_state(loss, evaluation.terms)
        values = (evaluation.bound, evaluation.reconstruction, evaluation.kl)
        for metric, value in zip(self.metrics, values, strict=True):
            metric.update_state(value, sample_weight=weight)


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray) or tf.is_tensor(value)


def _batch_size(x: Any) -> Any:
    """The number of rows, a Python integer where the shape tells."""
    first = first_leaf(x)
    return first.shape[0] or tf.shape(first)[0]
