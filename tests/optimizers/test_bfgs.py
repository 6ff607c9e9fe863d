import keras
import numpy as np
import pytest
from keras import ops
from problems import PROBLEMS
from scipy.optimize import minimize

from keras_dlnotes.numerics import inverse_hessian
from keras_dlnotes.optimizers import BFGS, LBFGS, bfgs

DONE = ("converged", "line search failed", "not deterministic")


def minimise(problem, optimizer, evaluations=900):
    weights = keras.Variable(problem.start, dtype="float64", name="weights")
    optimizer.build([weights])
    for _ in range(evaluations):
        loss, gradient = problem.loss_and_gradient(ops.convert_to_numpy(weights))
        optimizer.scale_loss(ops.convert_to_tensor(loss, dtype="float64"))
        optimizer.apply([ops.convert_to_tensor(gradient, dtype="float64")], [weights])
        if optimizer.status in DONE:
            break
    optimizer.finalize_variable_values([weights])
    return optimizer.progress["evaluations"], ops.convert_to_numpy(weights)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda p: p.name)
def test_as_few_evaluations_as_scipy(problem):
    if problem.name == "rosenbrock_100" and keras.backend.backend() != "torch":
        pytest.skip("the same arithmetic, many slow eager evaluations")
    scipy = minimize(
        problem.loss_and_gradient, problem.start, jac=True, method="BFGS", options={"gtol": 1e-6}
    )
    optimizer = BFGS(gradient_tolerance=1e-6)
    count, last = minimise(problem, optimizer)
    assert optimizer.status == "converged"
    assert count <= 1.1 * scipy.nfev
    if problem.name != "powell_singular":
        assert np.max(np.abs(last - problem.minimiser)) <= 1e-6


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("update", inverse_hessian.KINDS[1:])
@pytest.mark.parametrize("problem", [*PROBLEMS[:1], *PROBLEMS[2:5]], ids=lambda p: p.name)
def test_the_scaled_updates_converge(problem, update):
    optimizer = BFGS(update, gradient_tolerance=1e-6)
    count, last = minimise(problem, optimizer)
    assert optimizer.status == "converged"
    assert count < 200
    tolerance = 0.02 if problem.name == "powell_singular" else 1e-6
    assert np.max(np.abs(last - problem.minimiser)) <= tolerance


@pytest.mark.usefixtures("float64")
def test_in_fit():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50, 3))
    y = x @ np.array([[1.0], [-2.0], [0.5]])
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile(BFGS("ssbroyden"), loss="mse", jit_compile=keras.backend.backend() == "jax")
    model.fit(x, y, batch_size=50, epochs=25, shuffle=False, verbose=0)
    assert model.evaluate(x, y, batch_size=50, verbose=0) < 1e-8


def test_says_how_much_memory_it_would_need(monkeypatch):
    monkeypatch.setattr(bfgs, "physical_memory", lambda: 16e9)
    layer = keras.layers.Dense(1000)
    layer.build((None, 100))
    with pytest.raises(MemoryError, match=r"122\.4 GB.*16\.0 GB.*LBFGS"):
        BFGS().build(layer.trainable_variables)
    assert bfgs.physical_memory() == 16e9
    with pytest.raises(ValueError, match="ssbroyden"):
        BFGS(update="dfp")


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("make", [LBFGS, BFGS, lambda: BFGS("ssbroyden")])
@pytest.mark.parametrize(("of_loss", "of_weights"), [(2.0**40, 1.0), (1.0, 2.0**-20), (0.25, 8.0)])
def test_another_unit_of_the_loss_or_of_the_weights_changes_no_bit(make, of_loss, of_weights):
    def in_units(point):
        loss, gradient = PROBLEMS[2].loss_and_gradient(point / of_weights)
        return of_loss * loss, of_loss / of_weights * gradient

    plain = minimise(PROBLEMS[2], make())
    problem = PROBLEMS[2]._replace(start=of_weights * PROBLEMS[2].start, loss_and_gradient=in_units)
    count, last = minimise(problem, make())
    assert count == plain[0]
    assert np.array_equal(last, of_weights * plain[1])
