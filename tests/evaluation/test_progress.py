"""Progress of long evaluations: how many examples are done, and when it is shown."""

import sys

import numpy as np
import pytest

import tfgen
from tests.linear_gaussian import LinearGaussian
from tfgen.models import importance, latent_variable

MODEL = LinearGaussian()
_, X = MODEL.sample(5)


@pytest.fixture(scope="module")
def vae():
    return MODEL.vae(0.1)


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of two examples."""
    monkeypatch.setattr(importance, "_BLOCK_NUMBERS", 2 * 256 * 30)
    monkeypatch.setattr(latent_variable, "_REFINED_NUMBERS", 2 * 8 * 10)


@pytest.mark.slow
def test_each_block_reports_the_examples_that_are_done(vae, small_blocks):
    done = []
    vae.importance_sums(X, 30, seed=0, progress=done.append)
    assert done == [2, 4, 5]
    done.clear()
    vae.refine(X, 1, progress=done.append)
    assert done == [2, 4, 5]


def test_log_likelihood_shows_a_bar_where_asked_to(vae, small_blocks, capsys):
    quiet = tfgen.evaluation.log_likelihood(vae, X, 30, seed=0)
    assert capsys.readouterr().out == ""  # no terminal
    shown = tfgen.evaluation.log_likelihood(vae, X, 30, seed=0, verbose=True)
    out = capsys.readouterr().out
    assert all(text in out for text in ("2/5", "5/5"))  # Keras shows 20 a second at most
    np.testing.assert_array_equal(quiet.log_prob, shown.log_prob)


def test_a_terminal_sees_progress_unless_it_is_off(vae, capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    tfgen.evaluation.log_likelihood(vae, X, 30, seed=0)
    assert "5/5" in capsys.readouterr().out
    tfgen.evaluation.log_likelihood(vae, X, 30, seed=0, verbose=False)
    assert capsys.readouterr().out == ""


def test_inference_gap_shows_each_of_its_three_parts(vae, capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    tfgen.evaluation.inference_gap(vae, X, 1, 30, seed=0)
    assert capsys.readouterr().out.count("5/5") == 3


@pytest.mark.slow
def test_annealing_shows_a_bar(vae, capsys):
    tfgen.evaluation.annealed_importance_sampling(
        vae, X, num_chains=2, num_steps=2, num_leapfrog_steps=1, seed=0, verbose=True
    )
    assert "5/5" in capsys.readouterr().out


def test_verbose_is_checked(vae):
    with pytest.raises(ValueError, match="`verbose` must be 'auto', True or False"):
        tfgen.evaluation.log_likelihood(vae, X, 30, verbose="loud")
