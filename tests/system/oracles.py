"""What the operations are held against: OpenCV for filters and edges, the matrices and curves of CSS and SVG in
double for colour. An oracle knows nothing of tilecrew but the formats that it states: images are (height, width,
channels) of uint8 or uint16, channels grey, grey + alpha, RGB, RGBA."""

import cv2
import numpy


def top_of(image):
    return 255 if image.dtype == numpy.uint8 else 65535


def has_alpha(image):
    return image.shape[2] % 2 == 0


def rounded(values, image):
    """Doubles to samples of the image's depth: to nearest, ties up, clamped."""
    return numpy.clip(numpy.floor(values + 0.5), 0, top_of(image)).astype(image.dtype)


def with_channels(image):
    return image.reshape(*image.shape[:2], -1)


# --- alpha: the conversions of compute/chain.h -------------------------------------------------------------


def premultiplied(image):
    """Samples of 16 bits, colour multiplied by alpha."""
    top = top_of(image)
    wide = image.astype(numpy.int64) * (65535 // top)
    alpha = image[..., -1:].astype(numpy.int64)
    colour = (wide[..., :-1] * alpha + top // 2) // top
    return numpy.concatenate([colour, wide[..., -1:]], 2).astype(numpy.uint16)


def narrowed(image, dtype):
    if dtype == numpy.uint16:
        return image
    return ((255 * image.astype(numpy.int64) + 32767) // 65535).astype(numpy.uint8)


def straightened(image, dtype):
    alpha = image[..., -1:].astype(numpy.int64)
    colour = (65535 * image[..., :-1].astype(numpy.int64) + alpha // 2) // numpy.maximum(alpha, 1)
    colour = numpy.where(alpha == 0, 0, numpy.minimum(colour, 65535))
    return narrowed(numpy.concatenate([colour, alpha], 2).astype(numpy.uint16), dtype)


def colour_only(work):
    """An operation on the colour channels; alpha is kept."""

    def oracle(image, **arguments):
        if not has_alpha(image):
            return with_channels(work(image, **arguments))
        colour = numpy.ascontiguousarray(image[..., :-1])
        return numpy.concatenate([with_channels(work(colour, **arguments)), image[..., -1:]], 2)

    return oracle


def mixed(work):
    """An operation on neighbours: colour is multiplied by alpha before, and divided by it afterwards."""

    def oracle(image, **arguments):
        arguments["radius_depth"] = 16 if has_alpha(image) else image.dtype.itemsize * 8
        if not has_alpha(image):
            return with_channels(work(image, **arguments))
        return straightened(with_channels(work(premultiplied(image), **arguments)), image.dtype)

    return oracle


def edges(work):
    """An operation on luma; with alpha on luma multiplied by alpha, which is kept."""

    def oracle(image, **arguments):
        grey = luma(image)
        if not has_alpha(image):
            return with_channels(work(grey, **arguments))
        response = with_channels(work(premultiplied(grey)[..., :1], **arguments))
        return numpy.concatenate([narrowed(response, image.dtype), image[..., -1:]], 2)

    return oracle


def luma(image):
    """BT.601 in 1/16384, which is OpenCV's; alpha stays."""
    if image.shape[2] < 3:
        return image
    red, green, blue = (image[..., i].astype(numpy.int64) for i in range(3))
    grey = ((4899 * red + 9617 * green + 1868 * blue + 8192) >> 14).astype(image.dtype)
    return numpy.dstack([grey, image[..., 3]]) if has_alpha(image) else grey[..., None]


# --- neighbourhoods ------------------------------------------------------------------------------------------


@mixed
def gaussian(image, sigma, radius_depth):
    return cv2.GaussianBlur(image, (0, 0), sigma)


@mixed
def box(image, size, radius_depth):
    if image.dtype == numpy.uint8:
        return cv2.blur(image, (size, size))
    # cv2.blur is one level of 16 bits off here and there for large sizes; its sums are exact
    sums = cv2.boxFilter(image, cv2.CV_64F, (size, size), normalize=False)
    return rounded(sums / size ** 2, image)


@mixed
def median(image, size, radius_depth):
    planes = [cv2.medianBlur(numpy.ascontiguousarray(image[..., i]), int(size)) for i in range(image.shape[2])]
    return numpy.dstack([plane.reshape(image.shape[:2]) for plane in planes])


@mixed
def sharpen(image, sigma, amount, radius_depth):
    side = round(sigma * (3 if radius_depth == 8 else 4) * 2 + 1) // 2 * 2 + 1
    exact = image.astype(numpy.float64)
    blurred = with_channels(cv2.GaussianBlur(exact, (side, side), sigma))
    return rounded(exact + amount * (exact - blurred), image)


@mixed
def convolve(image, matrix, divisor=0, offset=0, radius_depth=8):
    matrix = numpy.array(matrix, numpy.float64)
    side = int(round(len(matrix) ** 0.5))
    divisor = divisor or (matrix.sum() if abs(matrix.sum()) > 1e-9 else 1)
    weights = matrix.reshape(side, side) / divisor
    exact = image.astype(numpy.float64)
    result = with_channels(cv2.filter2D(exact, cv2.CV_64F, weights))
    if not has_alpha(image):
        return rounded(result + offset * top_of(image) / 255, image)
    alpha = rounded(result[..., -1:] if abs(weights.sum() - 1) <= 1 / 1024 else exact[..., -1:], image)
    return numpy.dstack([rounded(rounded(result[..., :-1], image) + offset / 255 * alpha, image), alpha])


def magnitude(across, down, image):
    return rounded(numpy.sqrt(across * across + down * down), image)


@edges
def sobel(grey):
    return magnitude(cv2.Sobel(grey, cv2.CV_64F, 1, 0), cv2.Sobel(grey, cv2.CV_64F, 0, 1), grey)


@edges
def scharr(grey):
    return magnitude(cv2.Scharr(grey, cv2.CV_64F, 1, 0), cv2.Scharr(grey, cv2.CV_64F, 0, 1), grey)


@edges
def prewitt(grey):
    across = numpy.array([[-1, 0, 1]] * 3, numpy.float64)
    return magnitude(cv2.filter2D(grey, cv2.CV_64F, across), cv2.filter2D(grey, cv2.CV_64F, across.T), grey)


@edges
def laplacian(grey, size):
    return rounded(abs(cv2.Laplacian(grey, cv2.CV_64F, ksize=int(size))), grey)


# --- colour ----------------------------------------------------------------------------------------------------


@colour_only
def grayscale(image):
    return image if image.shape[2] == 1 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)


@colour_only
def invert(image):
    return cv2.bitwise_not(image)


@colour_only
def brightness(image, amount):
    return rounded(image * float(amount), image)


@colour_only
def contrast(image, amount):
    middle = top_of(image) / 2
    return rounded((image - middle) * amount + middle, image)


@colour_only
def gamma(image, exponent):
    return rounded((image / top_of(image)) ** exponent * top_of(image), image)


@colour_only
def threshold(image, level):
    grey = luma(image)
    return cv2.threshold(grey, level * (top_of(image) // 255), top_of(image), cv2.THRESH_BINARY)[1]


def through_matrix(image, matrix):
    colour = numpy.repeat(image, 3, 2) if image.shape[2] == 1 else image
    return rounded(colour.astype(numpy.float64) @ numpy.array(matrix).T, image)


@colour_only
def sepia(image, amount):
    full = numpy.array([[0.393, 0.769, 0.189], [0.349, 0.686, 0.168], [0.272, 0.534, 0.131]])
    return through_matrix(image, full * amount + numpy.eye(3) * (1 - amount))


@colour_only
def saturation(image, amount):
    """feColorMatrix type="saturate"."""
    s = amount
    result = through_matrix(image, [
        [0.213 + 0.787 * s, 0.715 - 0.715 * s, 0.072 - 0.072 * s],
        [0.213 - 0.213 * s, 0.715 + 0.285 * s, 0.072 - 0.072 * s],
        [0.213 - 0.213 * s, 0.715 - 0.715 * s, 0.072 + 0.928 * s]])
    return result[..., :image.shape[2]]


@colour_only
def hue(image, degrees):
    """feColorMatrix type="hueRotate"."""
    cosine, sine = numpy.cos(numpy.radians(degrees)), numpy.sin(numpy.radians(degrees))
    matrix = (numpy.array([[0.213, 0.715, 0.072]] * 3)
              + cosine * numpy.array([[0.787, -0.715, -0.072], [-0.213, 0.285, -0.072], [-0.213, -0.715, 0.928]])
              + sine * numpy.array([[-0.213, -0.715, 0.928], [0.143, 0.140, -0.283], [-0.787, 0.715, 0.072]]))
    return through_matrix(image, matrix)[..., :image.shape[2]]
