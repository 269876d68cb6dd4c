"""Every operation against its oracle (oracles.py), on random arguments, sizes, layouts and pictures; and what holds
for all of them: chains, bands, cuts, alpha. Everything random is seeded by the test's own name."""

import itertools
import subprocess
import zlib

import cv2
import numpy
import pytest

import engine as engines
import oracles

DTYPES = (numpy.uint8, numpy.uint16)
FORMATS = [(channels, dtype) for dtype in DTYPES for channels in (1, 2, 3, 4)]
SIZES = [(1, 1), (1, 17), (23, 1), (2, 2), (3, 3), (5, 4), (16, 16), (33, 15), (31, 67), (120, 201)]  # height, width

# At 16 bits the tests ask for more than a level of 8 bits, which is 257: so many levels for each that is declared.
LEVELS_OF_16_BITS = 24


def whole(random, low, high, count):
    return [int(number) for number in random.integers(low, high + 1, count)]


def some_matrix(random):
    count = int(random.choice([1, 3, 5, 7, 9, 15])) ** 2
    return [round(float(weight), 3) for weight in random.normal(0.2, 1, count)]


# operation -> random arguments
ARGUMENTS = {
    "box": lambda random: {"size": 2 * int(random.integers(0, 51)) + 1},
    "brightness": lambda random: {"amount": round(float(random.uniform(0, 3)), 3)},
    "contrast": lambda random: {"amount": round(float(random.uniform(0, 4)), 3)},
    "convolve": lambda random: {"matrix": some_matrix(random), "offset": int(random.integers(-99, 100))},
    "gamma": lambda random: {"exponent": round(float(random.uniform(0.1, 4)), 3)},
    "gaussian": lambda random: {"sigma": round(float(random.uniform(0.3, 9)), 2)},
    "grayscale": lambda random: {},
    "hue": lambda random: {"degrees": int(random.integers(-360, 361))},
    "invert": lambda random: {},
    "laplacian": lambda random: {"size": int(random.choice([1, 3]))},
    "median": lambda random: {"size": int(random.choice([3, 5]))},
    "prewitt": lambda random: {},
    "saturation": lambda random: {"amount": round(float(random.uniform(0, 4)), 3)},
    "scharr": lambda random: {},
    "sepia": lambda random: {"amount": round(float(random.uniform(0, 1)), 3)},
    "sharpen": lambda random: {"sigma": round(float(random.uniform(0.3, 6)), 2),
                               "amount": round(float(random.uniform(0, 5)), 2)},
    "sobel": lambda random: {},
    "threshold": lambda random: {"level": int(random.integers(0, 256))},
}
POINTS = ["brightness", "contrast", "gamma", "grayscale", "hue", "invert", "saturation", "sepia", "threshold"]
BLURS = ["box", "convolve", "gaussian", "median", "sharpen"]
EDGES = ["laplacian", "prewitt", "scharr", "sobel"]


@pytest.fixture(scope="module")
def engine():
    engine = engines.Engine()
    yield engine
    assert engine.close() == 0


@pytest.fixture(scope="module")
def declared():
    return engines.declarations()


@pytest.fixture
def random(request):
    return numpy.random.default_rng(zlib.crc32(request.node.name.encode()))


# --- pictures ------------------------------------------------------------------------------------------------------


def photograph(random, height, width, channels, dtype):
    paths = sorted(path for path in (engines.ROOT / "tests/data/photos").rglob("*") if path.suffix in (".jpg", ".png"))
    photo = cv2.cvtColor(cv2.imread(str(random.choice(paths))), cv2.COLOR_BGR2RGB)
    top, left = (int(random.integers(0, max(1, full - part + 1)))
                 for full, part in zip(photo.shape, (height, width)))
    photo = cv2.copyMakeBorder(photo[top:top + height, left:left + width], 0, max(0, height - photo.shape[0]),
                               0, max(0, width - photo.shape[1]), cv2.BORDER_REFLECT)[:height, :width]
    planes = numpy.dstack([photo, photo[..., ::-1]])[..., :channels]
    return planes.astype(dtype) if dtype == numpy.uint8 else planes.astype(dtype) * 257 + random.integers(0, 99, 1, dtype)


def noise(random, height, width, channels, dtype):
    return random.integers(0, numpy.iinfo(dtype).max + 1, (height, width, channels), dtype)


def saturated(random, height, width, channels, dtype):
    return random.integers(0, 2, (height, width, channels), dtype) * numpy.iinfo(dtype).max


def checker(random, height, width, channels, dtype):
    side = int(random.integers(1, 9))
    squares = numpy.add.outer(numpy.arange(height) // side, numpy.arange(width) // side) % 2
    return squares[..., None].astype(dtype) * random.integers(0, numpy.iinfo(dtype).max + 1, channels, dtype)


def gradient(random, height, width, channels, dtype):
    slopes = random.uniform(-1, 1, (2, channels))
    ramp = (numpy.arange(height)[:, None, None] / max(1, height - 1) * slopes[0]
            + numpy.arange(width)[None, :, None] / max(1, width - 1) * slopes[1])
    ramp = (ramp - ramp.min()) / max(numpy.ptp(ramp), 1e-9)
    return (ramp * numpy.iinfo(dtype).max).astype(dtype)


PICTURES = [noise, photograph, saturated, checker, gradient]


def pictures(random, channels, dtype, sizes=SIZES):
    """A picture of each size, the kinds in turn; the larger half of the alphas has transparent and opaque areas."""
    kinds = itertools.cycle(random.permutation(PICTURES))
    for (height, width), kind in zip(sizes, kinds):
        image = kind(random, height, width, channels, dtype)
        if channels % 2 == 0 and random.integers(2):
            image[: height // 3, :, -1] = 0
            image[height - height // 3:, :, -1] = numpy.iinfo(dtype).max
        yield image


# --- comparing -------------------------------------------------------------------------------------------------------


def difference(got, wanted):
    """The largest difference in levels. Colour counts as much as it shows where it is all but transparent, and at 16
    bits throughout: dividing by a small alpha makes a visible number of an invisible one."""
    assert got.shape == wanted.shape and got.dtype == wanted.dtype
    distance = abs(got.astype(numpy.int64) - wanted)
    if got.shape[2] % 2 == 0:
        top = numpy.iinfo(got.dtype).max
        alpha = wanted[..., -1:].astype(numpy.int64)
        faint = alpha < (top // 16 if top == 255 else top)
        shown = numpy.where(faint, distance[..., :-1] * alpha // top, distance[..., :-1])
        distance = numpy.concatenate([shown, distance[..., -1:]], 2)
    return int(distance.max())


def levels(tolerance, dtype):
    return tolerance if dtype == numpy.uint8 else tolerance * LEVELS_OF_16_BITS


def hold(engine, operation, arguments, image, tolerance):
    pipeline = engines.pipeline_text(operation, arguments)
    got = engine.apply(pipeline, image)
    wanted = getattr(oracles, operation)(image, **arguments)
    apart = difference(got, wanted)
    assert apart <= levels(tolerance, image.dtype), f"{pipeline} on {image.shape} {image.dtype}: {apart} levels apart"


def defaults(declaration):
    """The default arguments that the oracle is to be given."""
    values = {}
    for parameter in declaration["parameters"]:
        value = parameter["default"]
        if isinstance(value, str):
            value = [float(number) for number in value.split("/")]
            value = value if len(value) > 1 else value[0]
        values[parameter["name"]] = int(value) if parameter["type"] == "whole number" else value
    return values


# --- each operation ----------------------------------------------------------------------------------------------------


def test_every_operation_has_an_oracle(declared):
    assert sorted(declared) == sorted(ARGUMENTS)


@pytest.mark.parametrize("operation", ARGUMENTS)
def test_an_operation_equals_its_oracle(operation, engine, declared, random):
    tolerance = declared[operation]["tolerance"]
    assert tolerance in (0, 1)
    for channels, dtype in FORMATS:
        arguments = ARGUMENTS[operation](random)
        for image in pictures(random, channels, dtype):
            hold(engine, operation, arguments, image, tolerance)


@pytest.mark.parametrize("operation", ARGUMENTS)
def test_defaults_equal_the_oracle_with_the_declared_defaults(operation, engine, declared, random):
    for channels in (1, 3):
        for image in pictures(random, channels, numpy.uint8, SIZES[-2:] * 2):
            got = engine.apply(operation, image)
            wanted = getattr(oracles, operation)(image, **defaults(declared[operation]))
            assert difference(got, wanted) <= declared[operation]["tolerance"]


@pytest.mark.parametrize("operation, arguments", [
    ("gaussian", {"sigma": 1.4}), ("box", {"size": 15}), ("median", {"size": 3}), ("sobel", {}), ("hue", {"degrees": 75})])
def test_large_images_equal_the_oracle(operation, arguments, engine, declared, random):
    hold(engine, operation, arguments, photograph(random, 2000, 3000, 3, numpy.uint8), declared[operation]["tolerance"])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("side", [1, 3, 5, 9, 15])
def test_whole_weights_are_exact(side, dtype, engine, random):
    for largest in (1, 100):
        arguments = {"matrix": whole(random, -largest, largest, side * side), "divisor": 1}
        for image in pictures(random, 3, dtype):
            hold(engine, "convolve", arguments, image, 0)


@pytest.mark.parametrize("divisor", [2, 9, 49, 120.5, -3])
def test_a_matrix_is_divided_to_the_nearest(divisor, engine, random):
    """Ties apart, which cv2.filter2D's doubles decide by their last bit, there is nothing to choose."""
    arguments = {"matrix": whole(random, -2, 3, 49), "divisor": divisor}
    weights = numpy.array(arguments["matrix"], numpy.float64).reshape(7, 7)
    for image in pictures(random, 3, numpy.uint8):
        exact = cv2.filter2D(image.astype(numpy.float64), cv2.CV_64F, weights).reshape(image.shape) / divisor
        far = abs(engine.apply(engines.pipeline_text("convolve", arguments), image) - numpy.clip(exact, 0, 255))
        assert far.max() < 0.5 + 1e-2


def test_greys_stay_exactly_grey(engine, random):
    for dtype in DTYPES:
        grey = noise(random, 40, 60, 1, dtype)
        for operation in ("saturation", "hue"):
            for _ in range(5):
                pipeline = engines.pipeline_text(operation, ARGUMENTS[operation](random))
                assert (engine.apply(pipeline, grey) == grey).all()
                assert (engine.apply(pipeline, numpy.repeat(grey, 3, 2)) == grey).all()


@pytest.mark.parametrize("pipeline, words", [
    ("box:size=4", ["box", "size", "odd", "4"]),
    ("convolve:matrix=1/2/3/4", ["convolve", "matrix", "4", "odd"]),
    ("convolve:matrix=" + "/".join(["1"] * 255), ["convolve", "matrix", "255"]),
    ("convolve:matrix=" + "/".join(["10000"] * 225) + ":divisor=1", ["convolve", "divisor"]),
    ("median:size=4", ["median", "size", "3"]),
    ("threshold:level=256", ["threshold", "level", "255"]),
], ids=["even box", "even matrix", "too many weights", "too heavy weights", "median 4", "threshold 256"])
def test_bad_arguments_are_named(pipeline, words, engine):
    with pytest.raises(engines.Refused) as refused:
        engine.apply(pipeline, numpy.zeros((8, 8, 3), numpy.uint8))
    for word in words:
        assert word in str(refused.value)


def test_known_answers_in_the_files_are_those_of_this_device():
    done = subprocess.run([engines.BUILD / "tests/operation_check"], stdout=subprocess.PIPE, text=True)
    assert done.returncode == 0, done.stdout


# --- chains ------------------------------------------------------------------------------------------------------------


def some_chain(random, operations, length):
    return [engines.pipeline_text(operation, ARGUMENTS[operation](random))
            for operation in random.choice(operations, length)]


def one_by_one(engine, chain, image):
    for operation in chain:
        image = engine.apply(operation, image)
    return image


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_chain_equals_its_operations_one_by_one(channels, dtype, engine, random):
    for _ in range(3):
        chain = some_chain(random, list(ARGUMENTS), int(random.integers(2, 6)))
        image = photograph(random, 61, 90, channels, dtype)
        assert (engine.apply(",".join(chain), image) == one_by_one(engine, chain, image)).all(), chain


@pytest.mark.parametrize("channels, dtype", FORMATS)
def test_fused_points_equal_points_one_by_one(channels, dtype, engine, random):
    for _ in range(3):
        chain = some_chain(random, POINTS, int(random.integers(2, 8)))
        image = noise(random, 19, 45, channels, dtype)
        assert (engine.apply(",".join(chain), image) == one_by_one(engine, chain, image)).all(), chain


def test_an_empty_chain_copies(engine, random):
    for channels, dtype in FORMATS:
        image = noise(random, 9, 35, channels, dtype)
        assert (engine.apply("", image) == image).all()


# --- bands and cuts ------------------------------------------------------------------------------------------------------


def cuts(random, height):
    """The rows of an image as tiles, of any heights."""
    inner = random.choice(numpy.arange(1, height), int(random.integers(1, 6)), replace=False)
    edges = [0, *sorted(int(row) for row in inner), height]
    return [engines.Rows(first, last - first) for first, last in itertools.pairwise(edges)]


def check_cuts_and_bands(engine, random, pipeline, image):
    whole_image = engine.apply(pipeline, image)
    for band_rows in (1, 2, 3, 7, 40, 1000):
        assert (engine.apply(pipeline, image, band_rows) == whole_image).all(), (pipeline, band_rows)
    for _ in range(3):
        tiles = cuts(random, image.shape[0])
        pieces = [engine.apply(pipeline, image, int(random.integers(0, 9)), rows) for rows in tiles]
        assert (numpy.concatenate(pieces) == whole_image).all(), (pipeline, tiles)


@pytest.mark.parametrize("operation", ARGUMENTS)
def test_bands_and_cuts_change_nothing(operation, engine, random):
    pipeline = engines.pipeline_text(operation, ARGUMENTS[operation](random))
    for channels in (3, 4):
        check_cuts_and_bands(engine, random, pipeline, noise(random, 71, 83, channels, numpy.uint8))


def test_bands_and_cuts_change_nothing_in_chains(engine, random):
    for channels, dtype in FORMATS:
        pipeline = ",".join(some_chain(random, list(ARGUMENTS), 4))
        check_cuts_and_bands(engine, random, pipeline, noise(random, 53, 37, channels, dtype))


# --- alpha -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", POINTS + EDGES)
def test_points_and_edges_keep_alpha(operation, engine, random):
    for channels, dtype in ((2, numpy.uint8), (4, numpy.uint8), (4, numpy.uint16)):
        image = noise(random, 33, 47, channels, dtype)
        got = engine.apply(engines.pipeline_text(operation, ARGUMENTS[operation](random)), image)
        assert (got[..., -1] == image[..., -1]).all()


@pytest.mark.parametrize("operation", POINTS + EDGES + BLURS)
def test_an_opaque_image_is_treated_as_one_without_alpha(operation, engine, random):
    """To one level, for blurs and edges work in 16 bits where there is alpha; the Gaussian's radius, which
    depends on the depth, has its own oracle above."""
    arguments = {"gaussian": {"sigma": 1}, "sharpen": {"sigma": 1, "amount": 0.5}}.get(operation)
    arguments = arguments or ARGUMENTS[operation](random)
    pipeline = engines.pipeline_text(operation, arguments)
    for channels in (1, 3):
        colour = photograph(random, 40, 50, channels, numpy.uint8)
        opaque = numpy.dstack([colour, numpy.full((40, 50), 255, numpy.uint8)])
        got, wanted = engine.apply(pipeline, opaque), engine.apply(pipeline, colour)
        assert (got[..., -1] == 255).all()
        apart = abs(got[..., :-1].astype(int) - wanted).max()
        assert apart <= (0 if operation in POINTS else 2 if operation in ("gaussian", "sharpen") else 1)


@pytest.mark.parametrize("operation", EDGES + BLURS)
def test_colour_under_no_alpha_never_shows(operation, engine, random):
    pipeline = engines.pipeline_text(operation, ARGUMENTS[operation](random))
    image = noise(random, 33, 47, 4, numpy.uint8)
    image[10:20, 10:30, 3] = 0
    other = image.copy()
    other[10:20, 10:30, :3] = 255 - other[10:20, 10:30, :3]
    assert (engine.apply(pipeline, image) == engine.apply(pipeline, other)).all()
