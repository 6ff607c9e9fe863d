"""Hyperparameter tuning: grid, random and Bayesian search over what `compile` and `fit` take."""

try:
    import optuna as _optuna
except ImportError as error:
    raise ImportError(
        "Expected Optuna for keras_dlnotes.tuning; it is not installed. "
        "Install it with: pip install 'keras_dlnotes[tuning]'"
    ) from error

if int(_optuna.__version__.split(".")[0]) < 5:
    raise ImportError(
        f"Expected Optuna 5 or newer for keras_dlnotes.tuning. Received {_optuna.__version__}. "
        "Install it with: pip install --upgrade 'keras_dlnotes[tuning]'"
    )

from keras_dlnotes.tuning.hyperparameters import HyperParameters
from keras_dlnotes.tuning.results_table import ResultsTable
from keras_dlnotes.tuning.search import Search
from keras_dlnotes.tuning.searches import BayesianSearch, GridSearch, RandomSearch

__all__ = [
    "BayesianSearch",
    "GridSearch",
    "HyperParameters",
    "RandomSearch",
    "ResultsTable",
    "Search",
]
