"""What is found out about the parts of larger networks: normalization, masks, classes, tables."""

from collections import Counter

import keras
import numpy as np
import pytest
from keras import layers

from keras_dlnotes.diagnosis import Leak, NormalizationFacts, model_facts, probe
from keras_dlnotes.diagnosis.assemble import padding_read
from keras_dlnotes.diagnosis.augmentations import augmented_inputs
from keras_dlnotes.diagnosis.output_record import OutputRecord
from keras_dlnotes.diagnosis.target_leaks import leak_of

RANDOM = np.random.default_rng(0)


def test_normalization_is_compared_with_its_running_statistics():
    normalization = layers.BatchNormalization(epsilon=0.0, name="normalization")
    model = keras.Sequential([keras.Input((2,)), normalization, layers.Dense(1)])
    x = RANDOM.normal([10.0, 20.0], 4.0, (400, 2)).astype("float32")
    found = probe(model, [x]).normalizations["normalization"]
    assert isinstance(found, NormalizationFacts)
    assert found.untouched
    assert found.spread == pytest.approx(4.0, rel=0.1)
    assert found.offset == pytest.approx(15.0, rel=0.1)
    normalization.moving_mean.assign([10.0, 20.0])
    normalization.moving_variance.assign([16.0, 16.0])
    found = probe(model, [x]).normalizations["normalization"]
    assert not found.untouched
    assert found.spread == pytest.approx(1.0, rel=0.1)
    assert found.offset == pytest.approx(0.0, abs=0.15)


@pytest.mark.parametrize("masks", [True, False])
@pytest.mark.parametrize("wrapper", [lambda layer: layer, layers.Bidirectional])
def test_a_recurrent_layer_without_a_mask_is_known(masks, wrapper):
    reader = wrapper(layers.LSTM(2))
    embedding = layers.Embedding(5, 2, mask_zero=masks)
    model = keras.Sequential([keras.Input((4,), dtype="int32"), embedding, reader])
    x = np.array([[1, 2, 0, 0]] * 4)
    assert list(probe(model, [x]).unmasked) == ([] if masks else [reader.name])


BEHIND = np.array([[1, 2, 1, 0, 0, 0, 0, 0]] * 4)
AROUND = np.array([[0, 0, 0, 2, 0, 0, 0, 0]] * 4)


@pytest.mark.parametrize(
    ("reader", "tokens", "expected"),
    [
        (lambda: layers.LSTM(2, name="reader"), BEHIND, 0.625),
        (lambda: layers.LSTM(2, name="reader"), BEHIND[:, ::-1], 0.0),
        (lambda: layers.GRU(2, go_backwards=True, name="reader"), BEHIND, 0.0),
        (lambda: layers.GRU(2, go_backwards=True, name="reader"), BEHIND[:, ::-1], 0.625),
        (lambda: layers.Bidirectional(layers.LSTM(2), name="reader"), BEHIND, 0.0),
        (lambda: layers.Bidirectional(layers.LSTM(2), name="reader"), AROUND, 0.375),
    ],
)
def test_padding_counts_where_a_layer_reads_it_last(reader, tokens, expected):
    stack = [keras.Input((8,), dtype="int32"), layers.Embedding(5, 2), reader()]
    unmasked = probe(keras.Sequential(stack), [tokens]).unmasked
    assert padding_read(unmasked, [tokens]) == {"reader": expected}


@pytest.mark.parametrize("steps", [5, 8])
def test_a_decoder_is_given_no_mask_and_reads_no_padding(steps):
    decoder = [layers.LSTM(2, return_sequences=True), layers.LSTM(2, return_sequences=True)]
    first = [keras.Input((8,), dtype="int32"), layers.Embedding(5, 2, mask_zero=True)]
    model = keras.Sequential([*first, layers.LSTM(3), layers.RepeatVector(steps), *decoder])
    assert probe(model, [BEHIND]).unmasked == {}
    tile = layers.Lambda(lambda x: keras.ops.repeat(x[:, None], steps, axis=1))
    tiled = keras.Sequential([*first, layers.LSTM(3), tile, *decoder])
    assert probe(tiled, [BEHIND]).unmasked == {}


def test_steps_that_are_no_tokens_are_no_padding():
    stack = [layers.Embedding(5, 2), layers.AveragePooling1D(2), layers.LSTM(2)]
    model = keras.Sequential([keras.Input((8,), dtype="int32"), *stack])
    assert probe(model, [BEHIND]).unmasked == {}


def test_an_embedding_frozen_as_it_was_drawn_is_told_from_a_trained_one():
    embedding = layers.Embedding(50, 8, trainable=False, name="words")
    model = keras.Sequential([keras.Input((4,)), embedding, layers.Flatten(), layers.Dense(1)])
    model.compile("sgd", "mse")
    facts = model_facts(model).layers[0]
    assert facts.embeddings_path.endswith("words/embeddings")
    assert facts.as_drawn
    embedding.embeddings.assign(RANDOM.normal(size=(50, 8)))
    assert not model_facts(model).layers[0].as_drawn


@pytest.mark.parametrize(
    ("optimizer", "clipping", "decay"),
    [
        (lambda: keras.optimizers.SGD(clipnorm=0.5), ("clipnorm", 0.5), 0.0),
        (lambda: keras.optimizers.SGD(global_clipnorm=2.0), ("global_clipnorm", 2.0), 0.0),
        (lambda: keras.optimizers.AdamW(weight_decay=0.1), None, 0.1),
    ],
)
@pytest.mark.parametrize("reduction", ["sum", "sum_over_batch_size"])
def test_what_compile_was_told(optimizer, clipping, decay, reduction):
    model = keras.Sequential([keras.Input((2,)), layers.Dense(1)])
    model.compile(optimizer(), keras.losses.MeanSquaredError(reduction=reduction))
    facts = model_facts(model)
    assert (facts.clipping, facts.loss_reduction) == (clipping, reduction)
    assert facts.weight_decay == pytest.approx(decay)
    assert not facts.loss_scaling


CLASSES = np.array([0, 0, 2, 0])
GUESSED = np.eye(3)[[0, 1, 0, 0]]


@pytest.mark.parametrize(
    ("targets", "predictions", "counts", "hits"),
    [
        (CLASSES, GUESSED, {0: 3, 2: 1}, {0: 2}),
        (CLASSES[:, None], GUESSED, {0: 3, 2: 1}, {0: 2}),
        (np.eye(3)[CLASSES], GUESSED, {0: 3, 2: 1}, {0: 2}),
        (CLASSES.reshape(2, 2), GUESSED.reshape(2, 2, 3), None, {}),  # by pixel
        (np.array([0, 1, 1]), np.array([[0.1], [0.9], [0.2]]), {0: 1, 1: 2}, {0: 1, 1: 1}),
        (np.array([[0.5], [1.5]]), np.array([[0.1], [0.9]]), None, {}),  # amounts
        (np.eye(3)[[0, 0]] + 1, GUESSED[:2], None, {}),
    ],
    ids=["numbers", "column", "one hot", "pixels", "binary", "amounts", "several amounts"],
)
def test_examples_are_counted_by_class(targets, predictions, counts, hits):
    record = OutputRecord()
    record.look_at(targets, predictions)
    assert record.class_counts == counts
    assert sum(record.class_hits, Counter()) == hits


def test_batches_that_wait_are_cut_and_no_views():
    record = OutputRecord()
    whole = RANDOM.normal(size=(64, 10_000))
    for step in range(3):
        record.look_at(RANDOM.integers(0, 10_000, 64), whole, taken=step)
    for _, _, prediction in record.take_unjudged():
        assert len(prediction) < 64
        assert prediction.base is None


LABELS = RANDOM.integers(0, 3, 80)
TABLE = RANDOM.normal(size=(80, 4))


def table_with(column, place=2):
    return np.insert(TABLE, place, column, axis=1)


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        (table_with(LABELS), Leak(0, 2)),
        (table_with(5.0 - 2.0 * LABELS), Leak(0, 2)),
        (table_with(LABELS == 0), None),  # tells one class alone
        (table_with(LABELS + RANDOM.normal(0, 0.01, 80)), None),
        (TABLE, None),
        (np.stack([LABELS, TABLE[:, 0]], axis=1), None),  # half of the columns
        (table_with(LABELS)[:40], None),  # too few examples
        (np.repeat(table_with(LABELS), 60, axis=1), None),  # pixels, not columns
    ],
    ids=["copy", "other numbers", "one class", "noise", "none", "half", "few", "pixels"],
)
def test_a_column_that_is_the_class_leaks(table, expected):
    assert leak_of([table], np.eye(3)[LABELS[: len(table)]], classes=True) == expected


def test_a_column_that_is_the_amount_leaks_and_is_looked_for_in_each_table():
    amounts = RANDOM.normal(size=(80, 1))
    images = RANDOM.normal(size=(80, 4, 4, 1))
    inputs = [images, TABLE, table_with(-3 * amounts[:, 0])]
    assert leak_of(inputs, amounts, classes=False) == Leak(2, 2)
    assert leak_of([images, TABLE], amounts, classes=False) is None
    # A line that is to be learned is no leak, nor is a table with other rows than the targets.
    assert leak_of([table_with(3 * amounts[:, 0] - 1)], amounts, classes=False) is None
    assert leak_of([table_with(-3 * amounts[:, 0])], amounts[:60], classes=False) is None


def test_each_random_layer_changes_the_pictures_for_itself_and_keeps_its_random_numbers():
    flip = layers.RandomFlip("horizontal", seed=3, name="flip")
    first = [keras.Input((4, 4, 1)), flip, layers.RandomRotation(0.2, name="turn")]
    model = keras.Sequential([*first, layers.Flatten(), layers.Dense(1)])
    x = RANDOM.uniform(size=(16, 4, 4, 1)).astype("float32")
    state = keras.ops.convert_to_numpy(flip.generator.state.value)
    found = dict(augmented_inputs(model, x))
    assert list(found) == ["flip", "turn"]
    same = [np.array_equal(a, b) for a, b in zip(found["flip"], x, strict=True)]
    mirrored = [np.array_equal(a, b[:, ::-1]) for a, b in zip(found["flip"], x, strict=True)]
    assert all(a or b for a, b in zip(same, mirrored, strict=True))
    assert any(same)
    assert any(mirrored)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(flip.generator.state.value), state)


def _model_of(x, *first):
    return keras.Sequential([keras.Input(x.shape[1:]), *first, layers.Flatten(), layers.Dense(1)])


def test_random_layers_behind_others_are_not_given_the_inputs_of_the_model():
    flat = RANDOM.uniform(size=(8, 16)).astype("float32")
    shaped = _model_of(flat, layers.Reshape((4, 4, 1)), layers.RandomFlip())
    assert list(augmented_inputs(shaped, flat)) == []
    x = RANDOM.uniform(0, 255, (8, 4, 4, 1)).astype("float32")
    brightness = layers.RandomBrightness(0.1, value_range=(0, 1))
    scaled = _model_of(x, layers.Rescaling(1 / 255), brightness)
    assert list(augmented_inputs(scaled, x)) == []


def test_random_layers_of_a_model_at_the_front_are_asked():
    x = RANDOM.uniform(size=(8, 4, 4, 1)).astype("float32")
    pair = keras.Sequential([layers.RandomFlip(name="flip"), layers.RandomRotation(0.1, name="a")])
    model = _model_of(x, pair, layers.RandomZoom(0.1, name="zoom"))
    assert [name for name, _ in augmented_inputs(model, x)] == ["flip", "a", "zoom"]
    mixed = keras.Sequential([layers.RandomFlip(name="flip"), layers.Rescaling(2.0)])
    model = _model_of(x, mixed, layers.RandomZoom(0.1))
    assert [name for name, _ in augmented_inputs(model, x)] == ["flip"]
    own = keras.Sequential([layers.RandomFlip(name="flip")])
    image = keras.Input((4, 4, 1))
    model = keras.Model(image, layers.Flatten()(layers.Rescaling(2.0)(own(image))))
    assert [name for name, _ in augmented_inputs(model, x)] == ["flip"]


def test_a_random_layer_that_cannot_be_called_is_left_out():
    x = RANDOM.uniform(size=(8, 4, 4, 1)).astype("float32")
    flip, turn = layers.RandomFlip(name="flip"), layers.RandomRotation(0.1, name="turn")
    model = _model_of(x, flip, turn)
    flip.get_config = lambda: {"unknown": 1}
    assert [name for name, _ in augmented_inputs(model, x)] == ["turn"]
