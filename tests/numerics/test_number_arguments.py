import json

import keras
import numpy as np
import pytest
from keras import ops

import keras_dlnotes as kd
from keras_dlnotes.numerics.number_arguments import whole_number

WHOLE = {
    "TrainingMonitor.every": lambda n: kd.callbacks.TrainingMonitor(every=n).every,
    "TrainingMonitor.histograms_every": lambda n: (
        kd.callbacks.TrainingMonitor(histograms_every=n).histograms_every
    ),
    "EarlyStopping.every": lambda n: kd.callbacks.EarlyStopping("loss", every=n).every,
    "EarlyStopping.start_from_epoch": lambda n: (
        kd.callbacks.EarlyStopping(start_from_epoch=n).start_from_epoch
    ),
    "PreciseBatchStatistics.batch_size": lambda n: (
        kd.callbacks.PreciseBatchStatistics(np.ones((4, 1)), batch_size=n).batch_size
    ),
    "PreciseBatchStatistics.batches": lambda n: (
        kd.callbacks.PreciseBatchStatistics(np.ones((4, 1)), batches=n).batches
    ),
    "GradientCheck.samples": lambda n: kd.callbacks.GradientCheck(samples=n).samples,
    "UpStrips.strip": lambda n: kd.stopping.UpStrips(strip=n).strip,
    "UpStrips.successive": lambda n: kd.stopping.UpStrips(successive=n).successive,
    "ProgressQuotient.strip": lambda n: kd.stopping.ProgressQuotient(strip=n).strip,
    "LBFGS.memory_size": lambda n: kd.optimizers.LBFGS(memory_size=n).memory_size,
    "BFGS.max_search_evaluations": lambda n: (
        kd.optimizers.BFGS(max_search_evaluations=n).max_search_evaluations
    ),
    "NewtonCG.max_products": lambda n: kd.optimizers.NewtonCG(max_products=n).max_products,
    "Newton.max_weights": lambda n: kd.optimizers.Newton(max_weights=n).max_weights,
    "BatchNormalization.axis": lambda n: kd.layers.BatchNormalization(axis=n).axis,
    "BatchNormalization.ghost_batch_size": lambda n: (
        kd.layers.BatchNormalization(ghost_batch_size=n).ghost_batch_size
    ),
    "crop.height": lambda n: kd.augmentation.crop(n, 3).height,
    "crop.width": lambda n: kd.augmentation.crop(3, n).width,
    "expand.copies": lambda n: (
        kd.augmentation.expand(np.ones((2, 4, 4, 1)), [kd.augmentation.flip()], copies=n) and 5
    ),
}


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("five", [5, np.int64(5), np.uint8(5), np.array(5)], ids=str)
def test_a_whole_number_of_any_library_is_taken_and_can_be_saved(name, five):
    kept = WHOLE[name](five)
    assert (type(kept), kept) == (int, 5)
    json.dumps(kept)


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("wrong", [0, 2.5, True, "5", np.float64(5), np.bool_(True)], ids=repr)
def test_anything_else_is_refused_and_named(name, wrong):
    if wrong == 0 and name == "EarlyStopping.start_from_epoch":
        return
    if wrong == 0 and name == "expand.copies":
        return  # the originals remain
    with pytest.raises(ValueError, match=f"Expected `{name.split('.')[1]}`.*Received"):
        WHOLE[name](wrong)


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("LBFGS", "memory_size"),
        ("BFGS", "max_search_evaluations"),
        ("Newton", "max_weights"),
        ("NewtonCG", "max_products"),
    ],
)
def test_a_count_that_an_earlier_version_saved_as_a_float_is_loaded(name, count):
    kind = getattr(kd.optimizers, name)
    config = kind().get_config() | {count: 20.0}
    kept = getattr(kind.from_config(config), count)
    assert (type(kept), kept) == (int, 20)
    with pytest.raises(ValueError, match=f"Expected `{count}`"):
        kind.from_config(config | {count: 20.5})


def test_tensors_and_lists():
    assert whole_number("n", ops.convert_to_tensor(3)) == 3
    for wrong in ([3], np.array([3, 4]), None, ops.convert_to_tensor([1.0, 2.0])):
        with pytest.raises(
            ValueError, match="Expected `n` to be a whole number of steps, 2 or more"
        ):
            whole_number("n", wrong, least=2, unit="steps")


def test_real_numbers_and_seeds_of_numpy():
    assert kd.stopping.Patience(np.int64(3)).get_config()["patience"] == 3
    assert kd.optimizers.Adam(np.float32(0.5), beta_1=np.float32(0.5)).beta_1 == 0.5
    assert kd.regularizers.L2(np.float32(0.5)).get_config()
    objects = [
        kd.initializers.He(seed=np.int64(3)),
        kd.initializers.SmallRandom(np.float32(0.5), seed=np.int64(3)),
        kd.stopping.Patience(np.int64(3), min_delta=np.float32(0.5)),
        kd.stopping.GeneralizationLoss(np.float32(5)),
        kd.layers.DropoutPenalty(keras.layers.Dense(1), rate=np.float32(0.5), seed=np.int64(3)),
        kd.layers.BatchNormalization(momentum=np.float32(0.5), epsilon=np.float64(0.5)),
        kd.optimizers.LBFGS(memory_size=np.int64(3)),
    ]
    for item in objects:
        json.dumps(item.get_config())
