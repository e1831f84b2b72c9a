"""Variational and importance-weighted autoencoders."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfgen.layers import central_value, discrete_law
from tfgen.losses import Bound, LogWeights, Penalty, get_bound, get_penalties
from tfgen.losses.bounds import Evaluation
from tfgen.models import checks
from tfgen.models.batch_penalties import BatchPenalties
from tfgen.models.description import describe_parts
from tfgen.models.given import num_rows, of_x
from tfgen.models.latent_variable import LatentVariableModel
from tfgen.models.latent_watch import LatentTrouble, LatentWatch
from tfgen.models.log_weight_terms import LOG_WEIGHT_TERMS, explain_log_weights
from tfgen.models.loss_guard import LossGuard, LossWatch
from tfgen.training import EvaluateCall, FitCall, PredictCall, data_first, global_rows

tfd = tfp.distributions

__all__ = ["IWAE", "VAE", "Prediction"]

_register = keras.saving.register_keras_serializable("tfgen")


@_register
class VAE(LatentVariableModel):
    """A variational autoencoder: p(x) = integral p(x|z) p(z) dz, with posterior q(z|x).

    Three distributions: the encoder ends in q(z|x), the decoder in p(x|z), and the prior
    is p(z). Training maximises a bound on log p(x), by default the ELBO,

        E_q log p(x|z) - KL(q(z|x) || p(z)) <= log p(x).

    `fit(x)` takes x for both sides; in `fit(x, y)` the encoder sees x and y is the target
    of the likelihood (for denoising, say). `sample_weight` gives examples different
    weights, with or without y.

    x may be a dict, `fit({"x": x, "c": c})`: encoder, decoder and prior take from it, by
    the names of their `keras.Input`s, what they need; everything but `x` is a condition,
    and the model is of p(x|c). One latent is named `z`. Several latents are a
    `tfgen.layers.JointDistribution` for the encoder and another for the prior; the
    decoder takes them by name. A list of inputs goes to the encoder by position.

    Logged,
    in nats an example: `loss`, what is minimised; the bound itself, `elbo` or `iwlb`;
    `reconstruction`, E_q log p(x|z); and `kl`; the last three are averages weighted by
    `sample_weight`. Where latents are relaxed (`tfgen.layers.RelaxedBernoulli`), training
    logs `relaxed_elbo`; `evaluate` and everything else is of the discrete model, and logs
    `elbo`. Noise is keyed by (seed, step, row), so a result does not depend on
    how it is computed; `evaluate` keys by the example's position, so the same data gives
    the same bound whatever the batch size.

    Args:
        encoder: a Keras model from x, and conditions, to a distribution over z, one that
            ends in a layer of `tfgen.layers`; or a `JointDistribution`.
        decoder: a Keras model from z `[N, *latent]`, or several latents, and conditions to
            a distribution over x.
        prior: p(z), a `tfd.Distribution`; a Keras layer which, called without arguments,
            returns one and whose weights are trained; a Keras model from conditions to a
            distribution over z; or a `JointDistribution`. N(0, I) by default.
        **kwargs: `keras.Model`'s.

    Raises:
        TypeError: if the encoder or the decoder is no Keras model, returns no
            distribution, or if the prior is no distribution.
        ValueError: if the names or sizes of the latents of encoder, prior and decoder don't
            agree, or a part takes an input that does not exist.

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
    _penalties = BatchPenalties()  # none, until `compile`

    # Training.

    def compile(  # type: ignore[override]  # Keras names other arguments
        self,
        optimizer: Any = "adam",
        loss: str | Bound | None = None,
        metrics: Any = None,
        guard: bool = True,
        penalties: Any = None,
        **kwargs: Any,
    ) -> None:
        """Configures training; arguments as `keras.Model.compile`'s.

        Args:
            optimizer: a Keras optimizer or its name.
            loss: `"elbo"`, `"iwlb"`, or a bound of `tfgen.losses`; the class's default
                unless given.
            metrics: Keras metrics of y and the mean of p(x|z) at the mean of q(z|x).
            guard: whether `fit` keeps a copy of the last good weights, and stops with it
                where a loss is not finite; `False` saves the copy's memory.
            penalties: a list of penalties of `tfgen.losses`, which are added to the loss,
                times their weights, and logged each under its own name. They are means over
                the batch, without `sample_weight`.
            **kwargs: `run_eagerly`, `steps_per_execution`, `jit_compile`, ...; the last two
                are `"auto"` by default, see `tfgen.training.FusedModel.compile`.

        Raises:
            ValueError: if `loss` is unknown or can't be estimated for the model's
                distributions, if a part has half-precision weights, or if a penalty does
                not apply.
            TypeError: if `loss` is neither a name nor a bound, `guard` no bool, or
                `penalties` no list of penalties.
        """
        checks.check_bool(guard, "guard")
        checks.check_optimizer(optimizer, "optimizer")
        checks.check_precision({"encoder": self.encoder, "decoder": self.decoder})
        bound = get_bound(self.default_loss if loss is None else loss)
        batch_penalties = BatchPenalties(get_penalties(penalties))
        if self.built:
            bound.check(*self._example())
            batch_penalties.check(*self._example())
        super().compile(optimizer=optimizer, metrics=metrics, **kwargs)
        self._objective = _Objective(bound)
        if self.built:
            self.latent_watch.make_sums(*self._example())
        self._penalties = batch_penalties
        self._guard = guard
        self._has_metrics = bool(metrics or kwargs.get("weighted_metrics"))

    def _example(self) -> tuple[Any, Any]:
        """The posterior and the prior of one example of zeros."""
        given = keras.tree.map_structure(
            lambda spec: tf.zeros([1, *(size or 1 for size in spec.shape[1:])], spec.dtype),
            dict(self.structure.given),
        )
        return (
            self._posterior(given, relaxed=True),
            self._prior_at(given, relaxed=True),
        )

    @property
    def bound(self) -> Bound:
        """The bound that the model was compiled with."""
        return self._compiled_objective.bound

    @property
    def penalties(self) -> tuple[Penalty, ...]:
        """The penalties that the model was compiled with."""
        return self._penalties.penalties

    @property
    def latent_watch(self) -> LatentWatch:
        """Latents' statistics in training steps; see `tfgen.callbacks.LatentUnits`."""
        return self._compiled_objective.latent_watch

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
            "guard": self._guard,
            "penalties": [
                keras.saving.serialize_keras_object(penalty) for penalty in self.penalties
            ],
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
        known, own = super().metrics, []
        if self._objective is not None:
            own = list(self._objective.metrics)
            if self.built and self.structure.is_relaxed:
                own.append(self._objective.bound_metric(relaxed=True))
        return [*known[:1], *own, *self._penalties.metrics, *known[1:]]

    def reset_metrics(self) -> None:
        """Resets the metrics, and the row that `evaluate` counts from."""
        super().reset_metrics()
        if self._objective is not None:
            self._objective.watch.reset_state()

    def fit(self, x: Any = None, y: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Trains the model; arguments and result as `keras.Model.fit`'s.

        Args:
            x: what the encoder sees: an array `[N, ...]`, a `tf.data.Dataset` of x, (x, y)
                or (x, y, sample_weight), or whatever else Keras takes.
            y: what the likelihood is of, `[N, *event]`; x unless given.
            *args: as `keras.Model.fit`'s.
            **kwargs: as `keras.Model.fit`'s; `class_weight` must be left out.

        Returns:
            Keras's `History`.

        Raises:
            ValueError: if the data are empty, of the wrong shape, not finite, or outside
                the likelihood's support; or if all weights are frozen.
            TypeError: if they are not numeric.
            FloatingPointError: at a loss that is not finite; the message says at which step
                and by which term. The model keeps its last good weights.
        """
        return super().fit(x, y, *args, **kwargs)

    def prepare_fit(self, call: FitCall) -> None:
        """Checks the data, sets `call.y`, and adds callbacks that watch the training."""
        if call.class_weight is not None:
            raise ValueError(
                "`class_weight` must be left out, since it gives a weight to each label "
                f"and a {type(self).__name__} has no labels; received "
                f"{call.class_weight!r}. Pass weights of examples as `sample_weight`."
            )
        call.y = self._check_data(call.x, call.y, call.sample_weight)
        if call.batch_size is not None:
            self._penalties.check_batch_size(call.batch_size)
        if call.validation_data is not None:
            x, y, weight = keras.utils.unpack_x_y_sample_weight(call.validation_data)
            y = self._check_data(x, y, weight, prefix="validation ")
            if y is not None:
                call.validation_data = (x, y, weight)
        self._compiled_objective.set_modes(call.callbacks)
        if self._guard:
            watch = self._compiled_objective.watch
            guard = LossGuard(watch, [self.optimizer], explain_log_weights)
            call.callbacks.insert(0, guard)
        call.callbacks.insert(0, LatentTrouble(self.latent_watch))

    def prepare_evaluate(self, call: EvaluateCall) -> None:
        """Checks the data, and sets `call.y`."""
        call.y = self._check_data(call.x, call.y, call.sample_weight)

    def check_batch(self, batch: Any, use: str) -> None:
        """Checks a batch of a dataset as arrays are checked."""
        x, y, weight = keras.utils.unpack_x_y_sample_weight(batch)
        if use == "predict":
            self._check_inputs(x)
        else:
            self._check_data(x, y, weight, "validation " if use == "validation" else "")

    def prepare_predict(self, call: PredictCall) -> None:
        """Checks the inputs that are arrays."""
        self._check_inputs(call.x)

    def _check_inputs(self, x: Any) -> None:
        """Checks what `predict` is called with."""
        if isinstance(x, tf.data.Dataset):
            checks.check_batches(x, None, "x")
            return
        given = of_x(x)
        checks.check_inputs(given)
        if all(map(_is_array, keras.tree.flatten(given))):
            self._build_for(given)
            checks.check_given(given, self.structure)

    def _check_data(self, x: Any, y: Any, weight: Any, prefix: str = "") -> Any:
        """Checks the data as far as possible before training; returns the y to use."""
        if isinstance(x, tf.data.Dataset):
            x_spec, y_spec, _ = keras.utils.unpack_x_y_sample_weight(x.element_spec)
            given = of_x(x_spec)
            self._build_for(given)
            expected = self.structure.given.get("x")
            event_shape = None
            if isinstance(expected, tf.TensorSpec) and list(given) == ["x"]:
                event_shape = expected.shape[1:]
            checks.check_batches(x, event_shape, f"{prefix}x")
            y_spec = given.get("x") if y_spec is None else y_spec
            if isinstance(y_spec, tf.TensorSpec) and y_spec.shape.rank is not None:
                same = y_spec is given.get("x")
                name = f"{prefix}{'x' if same else 'y'}"
                self._check_observed_shape(tuple(y_spec.shape), name, same, is_dataset=True)
            return y
        given = of_x(x)
        checks.check_inputs(given)
        if not all(map(_is_array, keras.tree.flatten(given))):
            return y
        self._build_for(given)
        self._check_arrays(given, prefix)
        observed, name = (y, f"{prefix}y")
        if y is None:
            observed, name = checks.observed(given), f"{prefix}x"
        if _is_array(observed):
            self._check_observed_shape(tuple(observed.shape), name, y is None)
            checks.check_array(observed, name)
            if y is not None:
                rows = len(keras.tree.flatten(given)[0])
                checks.check_same_rows({"y": observed}, rows, name, "rows of x")
            self.structure.check_support(np.asarray(observed), name)
        if weight is not None:
            checks.check_weights(weight, len(keras.tree.flatten(given)[0]))
            return observed  # Keras drops weights where y is missing.
        return y

    def _check_arrays(self, given: Mapping[str, Any], prefix: str) -> None:
        """Checks names, shapes and values of what is given."""
        for name, value in given.items():
            text = f"{prefix}x" if name == "x" else f"{prefix}x[{name!r}]"
            for array in keras.tree.flatten(value):
                checks.check_array(array, text)
        checks.check_given(given, self.structure, prefix)

    def _build_for(self, x: Any) -> None:
        was_built = self.built
        super()._build_for(x)
        if self._objective is not None and not was_built:
            self._objective.bound.check(*self._example())
            self._penalties.check(*self._example())
            self.latent_watch.make_sums(*self._example())

    @data_first
    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        """One step on a batch; see `keras.Model.train_step`."""
        given, y, weight = self._unpack(data)
        size = num_rows(given)
        rows, total = global_rows(size)
        key = self._train_keys(rows)
        with tf.GradientTape() as tape:
            prediction = self._predict_terms(given, y, key, training=True)
            loss = self._loss_of(given, y, prediction, weight, training=True)
            scaled = self.optimizer.scale_loss(_share(loss, size, total))
        variables = self.trainable_weights
        gradients = tape.gradient(scaled, variables)
        self.optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return self._update_metrics(loss, prediction, given, y, weight, training=True)

    def test_step(self, data: Any) -> dict[str, tf.Tensor]:
        """The bound at a batch; see `keras.Model.test_step`."""
        given, y, weight = self._unpack(data)
        rows, total = global_rows(num_rows(given))
        key = self._test_keys(rows, total)
        prediction = self._predict_terms(given, y, key, training=False)
        loss = self._loss_of(given, y, prediction, weight, training=False)
        return self._update_metrics(loss, prediction, given, y, weight, training=False)

    def _unpack(self, data: Any) -> tuple[dict[str, Any], Any, Any]:
        x, y, weight = keras.utils.unpack_x_y_sample_weight(data)
        given = of_x(x)
        same = y is None
        y = checks.observed(given) if same else y
        # Data from a generator are first seen here.
        self._build_for(given)
        checks.check_given(given, self.structure)
        if tf.is_tensor(y) and y.shape.rank is not None:
            self._check_observed_shape(tuple(y.shape), "x" if same else "y", same)
        if weight is not None:
            weight = tf.cast(weight, keras.backend.floatx())
        return self._to_given(given), y, weight

    def _predict_terms(
        self, given: Mapping[str, Any], y: Any, key: tf.Tensor, training: bool
    ) -> "Prediction":
        """The posterior and the bound at a batch."""
        posterior = self._posterior(given, training, relaxed=training)
        return self._predict_at(posterior, given, y, key, training)

    def _predict_at(
        self, posterior: Any, given: Mapping[str, Any], y: Any, key: Any, training: bool
    ) -> "Prediction":
        prior = self._prior_at(given, relaxed=training)
        evaluation = self.bound.evaluate(
            posterior,
            prior,
            lambda z: self._log_likelihood(y, z, given, training),
            key,
        )
        likelihood = lambda: self._likelihood(evaluation.draws.z, given, training)
        penalties = self._penalties.evaluate(posterior, prior, key)
        return Prediction(posterior, evaluation, likelihood, penalties, prior)

    def _loss_of(
        self, given: Any, y: Any, prediction: "Prediction", weight: Any, training: bool
    ) -> tf.Tensor:
        if type(self).call is not LatentVariableModel.call:
            self(given, training=training)  # for losses from `add_loss`
        return self.compute_loss(given, y, prediction, weight, training)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> tf.Tensor:
        """The loss, a scalar: the mean of -bound, plus penalties and losses of layers.

        To add to it, override it and call `super().compute_loss(...)`.

        Args:
            x: what is given, by name.
            y: what the likelihood is of.
            y_pred: a `Prediction`: `posterior`, `terms` (of the log-weights), `draws` and
                `likelihood`, p(x|z) at the draws.
            sample_weight: `[B]`, or `None`.
            training: whether it is a training step.
        """
        per_example = -y_pred.evaluation.objective
        if sample_weight is not None:
            per_example *= tf.cast(sample_weight, per_example.dtype)
        added = [*self.losses, *self._penalties.weighted(y_pred.penalties)]
        added = [tf.cast(loss, per_example.dtype) for loss in added]
        return tf.add_n([tf.reduce_mean(per_example), *added])

    def _update_metrics(
        self,
        loss: tf.Tensor,
        prediction: "Prediction",
        given: Any,
        y: Any,
        weight: Any,
        training: bool,
    ) -> dict[str, tf.Tensor]:
        evaluation, objective = prediction.evaluation, self._compiled_objective
        relaxed = training and self.structure.is_relaxed
        batch_size = tf.shape(evaluation.bound)[0]
        self.metrics[0].update_state(loss, sample_weight=batch_size)
        objective.update(loss, evaluation, weight, relaxed)
        if training:
            pair, terms = (prediction.posterior, prediction.prior), evaluation.terms
            self.latent_watch.update_state(*pair, terms.total, evaluation.draws, weight)
        self._penalties.update(prediction.penalties, batch_size)
        if self._has_metrics:
            centre = central_value(discrete_law(prediction.posterior))
            mean = self._likelihood(centre, given).mean()
            results = self.compute_metrics(given, y, mean, sample_weight=weight)
        else:
            results = self.get_metrics_result()
        other = objective.bound_metric(not relaxed).name
        return {name: value for name, value in results.items() if name != other}

    def summary(self, *args: Any, **kwargs: Any) -> None:
        """Keras's summary, the parts of the model, and how the bound is computed."""
        super().summary(*args, **kwargs)
        if not self.built:
            return
        posterior, prior = self._example()
        lines = describe_parts(self, posterior)
        if self._objective is not None:
            lines["Objective"] = self.bound.describe(posterior, prior)
        show = kwargs.get("print_fn") or print
        for name, text in lines.items():
            show(f" {name}: {text}")


@_register
class IWAE(VAE):
    """An importance-weighted autoencoder: a `VAE` trained by the IWLB by default.

    Its default loss is `tfgen.losses.IWLB()`, of 5 samples; arguments as `VAE`'s.

    Source: Burda, Grosse, Salakhutdinov. Importance weighted autoencoders.
    arXiv 1509.00519.
    """

    default_loss = "iwlb"


class _Objective:
    """A bound, its metrics, and the statistics that are watched."""

    def __init__(self, bound: Bound) -> None:
        self.bound = bound
        self.metrics = [
            keras.metrics.Mean(name=name) for name in (bound.label, "reconstruction", "kl")
        ]
        self._relaxed = keras.metrics.Mean(name=f"relaxed_{bound.label}")
        self.watch = LossWatch(LOG_WEIGHT_TERMS)
        self.latent_watch = LatentWatch(bound)

    def bound_metric(self, relaxed: bool) -> keras.metrics.Metric:
        """The metric of the bound: of the relaxed model in training, or of the model."""
        return self._relaxed if relaxed else self.metrics[0]

    def set_modes(self, callbacks: list[Any]) -> None:
        """Sets `mode="max"` if callbacks with `mode="auto"` monitor a maximised metric.

        Keras can't know the direction for a custom model's metrics, and raises an error.
        """
        maximised = {self.metrics[0].name, "reconstruction", self._relaxed.name}
        for callback in callbacks:
            monitor = str(getattr(callback, "monitor", "")).removeprefix("val_")
            if getattr(callback, "mode", None) == "auto" and monitor in maximised:
                callback.mode = "max"

    def update(
        self, loss: tf.Tensor, evaluation: Evaluation, weight: Any, relaxed: bool
    ) -> None:
        self.watch.update_state(loss, evaluation.terms)
        metrics = [self.bound_metric(relaxed), *self.metrics[1:]]
        values = (evaluation.bound, evaluation.reconstruction, evaluation.kl)
        for metric, value in zip(metrics, values, strict=True):
            metric.update_state(value, sample_weight=weight)


class Prediction(NamedTuple):
    """The results of a training step on a batch: `y_pred` of `compute_loss`.

    Attributes:
        posterior: q(z|x), of batch shape `[B]`.
        evaluation: of the bound, a `tfgen.losses.bounds.Evaluation`.
        make_likelihood: returns p(x|z) at the draws; see `likelihood`.
        penalties: the value of each penalty of `compile`, scalars.
        prior: p(z), of batch shape `[]` or `[B]`.
    """

    posterior: Any
    evaluation: Evaluation
    make_likelihood: Callable[[], tfd.Distribution]
    penalties: tuple[tf.Tensor, ...] = ()
    prior: Any = None

    @property
    def draws(self) -> Any:
        """The values of z that the bound was computed at, `[K, B, *latent]`."""
        return self.evaluation.draws

    @property
    def terms(self) -> LogWeights:
        """The terms of the log-weights, each `[K, B]`, without gradient."""
        return self.evaluation.terms

    @property
    def likelihood(self) -> tfd.Distribution:
        """p(x|z) at the draws, of batch shape `[K, B]`."""
        return self.make_likelihood()


def _share(loss: tf.Tensor, size: Any, total: tf.Tensor) -> tf.Tensor:
    """The part of the global batch's loss from this replica's rows.

    The optimizer sums the replicas' gradients, so the shares must add up to the loss.
    """
    if tf.distribute.get_strategy().num_replicas_in_sync == 1:
        return loss
    return loss * tf.cast(size, loss.dtype) / tf.cast(total, loss.dtype)


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray) or tf.is_tensor(value)
