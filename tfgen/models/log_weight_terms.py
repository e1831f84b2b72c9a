"""Why a term of the log-weights is not finite, and what to do about it."""

__all__ = ["LOG_WEIGHT_TERMS", "explain_log_weights"]

_ADVICE = {
    "log p(x|z), the reconstruction": (
        "x may lie outside the likelihood's support, where its layer does not check it, or "
        "the decoder's scale went to 0: set a lower limit for it."
    ),
    "log p(z), the prior": (
        "z went to where the prior has no mass, or the prior's own parameters became "
        "extreme: lower their learning rate."
    ),
    "log q(z|x), the posterior": (
        "its scale went to 0 or to infinity: set limits for it, or start with a smaller "
        "weight of the KL, `tfgen.callbacks.KLWarmup`."
    ),
}

LOG_WEIGHT_TERMS = tuple(_ADVICE)
"""The names of the three terms, in the order of `tfgen.losses.LogWeights`."""


def explain_log_weights(terms: list[str]) -> str:
    """Explains why a bound is not finite, from the names of the terms that are not.

    >>> explain_log_weights(["log p(z), the prior"])[:37]
    'log p(z), the prior is not finite; z '
    """
    return f"{_cause(terms)} Lower the learning rate or set the optimizer's `clipnorm`."


def _cause(terms: list[str]) -> str:
    if not terms:
        return (
            "each term of log w is finite, so their reduction over samples, or a loss that "
            "a layer added, is not."
        )
    if len(terms) == len(_ADVICE):
        return (
            "no term of log w is finite, so x or the weights were not finite: the "
            "gradient of the step before overflowed, or x is too large for the networks."
        )
    text = " and ".join(terms)
    verb = "is" if len(terms) == 1 else "are"
    return f"{text} {verb} not finite; {' '.join(_ADVICE[term] for term in terms)}"
