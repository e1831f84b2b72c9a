"""How tfgen is built and what it needs: the one place that lists dependencies."""

import pathlib
import runpy

from setuptools import find_packages, setup

ROOT = pathlib.Path(__file__).parent

# From the oldest release that the test suite was seen to pass with, to the newest:
# to its minor version for TensorFlow and Keras, to its major version for the others.
REQUIRES = [
    "absl-py>=2.1,<3",
    "keras>=3.12,<3.16",
    "numpy>=2.1,<3",
    "tensorflow>=2.20,<2.22",
    "tensorflow-probability>=0.25,<0.26",
    "tf-keras>=2.20,<2.22",  # tfgen never imports it; TFP 0.25 does
]

SERVING = ["tensorflow-serving-api>=2.19,<2.22"]
PLOTS = ["matplotlib>=3.9,<4"]
EXAMPLES = ["scikit-learn>=1.5,<2", "scipy>=1.17,<2", *PLOTS]
BENCHMARKS = EXAMPLES  # torch and jax are timed too, where installed
DOCS = [
    "django-static-mathjax>=3.2.2.1,<4",  # MathJax's files alone: it needs no Django
    "furo>=2025.12.19",
    "ipykernel>=7.4,<8",
    "myst-nb>=1.4,<2",
    "sphinx>=9.0.4,<9.1",
    "sphinx-copybutton>=0.5.2,<1",
    *EXAMPLES,
]
TEST = [
    "build>=1.6",
    "hypothesis>=6.170,<7",
    "jax>=0.10,<0.11",  # runs the programs that benchmarks/gpu.py writes
    "mypy>=2.4,<3",
    "pytest>=9.2,<10",
    "pytest-cov>=7.1,<8",
    "pytest-xdist>=3.8,<4",
    "ruff>=0.17.5,<0.18",
    "setuptools>=65",
    "tensorboard>=2.20,<3",
    "wheel>=0.48",
    *SERVING,
    *BENCHMARKS,
    *DOCS,
]

setup(
    name="tfgen",
    version=runpy.run_path(str(ROOT / "tfgen" / "version.py"))["__version__"],
    description="Deep generative models on TensorFlow Probability and Keras 3.",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    keywords=[
        "deep generative models",
        "generative adversarial network",
        "importance weighted autoencoder",
        "keras",
        "tensorflow probability",
        "variational autoencoder",
        "variational inference",
    ],
    classifiers=[
        "Development Status :: 4 - Beta",
        "Intended Audience :: Developers",
        "Intended Audience :: Education",
        "Intended Audience :: Science/Research",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Topic :: Scientific/Engineering :: Mathematics",
        "Typing :: Typed",
    ],
    license="Apache-2.0",
    license_files=["LICENSE"],
    packages=find_packages(include=["tfgen", "tfgen.*"]),
    package_data={"tfgen": ["py.typed"]},
    python_requires=">=3.11,<3.13",
    install_requires=REQUIRES,
    extras_require={
        "serving": SERVING,
        "plots": PLOTS,
        "examples": EXAMPLES,
        "benchmarks": BENCHMARKS,
        "docs": DOCS,
        "test": TEST,
    },
    zip_safe=False,
)
