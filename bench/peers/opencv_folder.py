"""A folder of JPEGs through OpenCV as its users do it: a pool of processes, each imread, operation, imwrite.

    opencv_folder.py {copy,gaussian} PROCESSES IN OUT
"""
import multiprocessing
import pathlib
import sys

import cv2

OPERATIONS = {
    "copy": lambda image: image,
    "gaussian": lambda image: cv2.GaussianBlur(image, (0, 0), 1.4),
}
ENCODING = [
    cv2.IMWRITE_JPEG_QUALITY, 90,
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
]


def begin():
    # The pool already has a process for each core.
    cv2.setNumThreads(1)


def process(task):
    operation, source, result = task
    image = cv2.imread(source, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    if image is None:
        return f"{source}: cannot be read"
    if not cv2.imwrite(result, OPERATIONS[operation](image), ENCODING):
        return f"{result}: cannot be written"
    return None


def main():
    operation, processes, source, result = sys.argv[1:5]
    result = pathlib.Path(result)
    result.mkdir(parents=True, exist_ok=True)
    tasks = [(operation, str(path), str(result / path.name))
             for path in sorted(pathlib.Path(source).glob("*.jpg"))]
    with multiprocessing.Pool(int(processes), begin) as pool:
        failures = [reason for reason in pool.imap_unordered(process, tasks) if reason]
    if failures:
        sys.exit("\n".join(failures))


if __name__ == "__main__":
    main()
