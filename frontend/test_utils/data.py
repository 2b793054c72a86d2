"""Data sets of example programs: fetched where they are not there yet."""

from __future__ import annotations

import bz2
import gzip
import logging
import os
import shutil
import urllib.request
import zipfile
from typing import Any

import numpy as np

from ..base import MXNetError

__all__ = ["download", "get_bz2_data", "get_cifar10", "get_mnist", "get_mnist_iterator", "get_mnist_pkl", "get_mnist_ubyte", "get_zip_data"]

MNIST = "http://data.mxnet.io/data/mnist/"
PARTS = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def download(url: str, fname: str | None = None, dirname: str | None = None, overwrite: bool = False, retries: int = 5) -> str:
    """Fetch a file, and return its name.

    Parameters
    ----------
    url : str
        Where it is.
    fname : str, optional
        Name for it here; by default that which it has there.
    dirname : str, optional
        Folder for it.
    overwrite : bool, default False
        Fetch it although there is a file of that name.
    retries : int, default 5
        How often to try again.
    """
    if retries < 0:
        raise AssertionError(f"download: retries must be at least 0, got {retries}")
    name = url.split("/")[-1] if fname is None else fname
    if dirname is not None:
        name = os.path.join(dirname, name)
    if os.path.dirname(name):
        os.makedirs(os.path.dirname(name), exist_ok=True)
    if os.path.exists(name) and not overwrite:
        logging.info("%s exists, skipping download", name)
        return name
    while True:
        try:
            with urllib.request.urlopen(url) as source, open(name + ".part", "wb") as target:
                shutil.copyfileobj(source, target)
            break
        except OSError as error:
            if retries == 0:
                raise
            logging.warning("download of %s failed (%s), %d attempts left", url, error, retries)
            retries -= 1
    os.replace(name + ".part", name)
    logging.info("downloaded %s into %s successfully", url, name)
    return name


def _idx(path: str, axes: int) -> np.ndarray:
    with gzip.open(path) as file:
        content = file.read()
    shape = np.frombuffer(content, ">i4", axes, offset=4)
    if len(content) - 4 - 4 * axes != np.prod(shape, dtype=np.int64):
        raise MXNetError(f"{path}: {len(content) - 4 - 4 * axes} bytes of data do not make an array of shape {tuple(shape)}")
    return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape)


def get_mnist() -> dict[str, np.ndarray]:
    """Return MNIST as NumPy arrays: ``train_data``, ``train_label``, ``test_data``, ``test_label``.

    Images have shape (number, 1, 28, 28) and values from 0 to 1. The files are those of MNIST, compressed, in the working folder.
    """
    images, labels, test_images, test_labels = (_idx(download(f"{MNIST}{name}.gz"), 3 if "images" in name else 1) for name in PARTS)

    def scaled(pixels: np.ndarray) -> np.ndarray:
        return pixels[:, None].astype(np.float32) / 255

    return {
        "train_data": scaled(images),
        "train_label": labels.astype(np.int8),
        "test_data": scaled(test_images),
        "test_label": test_labels.astype(np.int8),
    }


def _unpacked(url: str, names: tuple[str, ...]) -> None:
    """Fetch an archive into the folder ``data``, where these files are not there yet."""
    if not all(os.path.exists(os.path.join("data", name)) for name in names):
        with zipfile.ZipFile(download(url, dirname="data")) as archive:
            archive.extractall("data")


def get_mnist_ubyte() -> None:
    """Put the files of MNIST into the folder ``data``."""
    _unpacked("http://data.mxnet.io/mxnet/data/mnist.zip", PARTS)


def get_cifar10() -> None:
    """Put the files of CIFAR-10 into the folder ``data/cifar``."""
    names = ("train.rec", "test.rec", "train.lst", "test.lst")
    _unpacked("http://data.mxnet.io/mxnet/data/cifar10.zip", tuple("cifar/" + name for name in names))


def get_mnist_pkl() -> None:
    """Put MNIST as a pickle into the folder ``data``."""
    download("http://deeplearning.net/data/mnist/mnist.pkl.gz", dirname="data")


def get_mnist_iterator(batch_size: int, input_shape: tuple[int, ...], num_parts: int = 1, part_index: int = 0) -> tuple[Any, Any]:
    """Return iterators over MNIST for training and for testing.

    Parameters
    ----------
    batch_size : int
    input_shape : tuple of int
        (1, 28, 28) for images, (784,) for vectors.
    num_parts, part_index : int
        How many parts the data is split into, and which of them to read.
    """
    from ..io import MNISTIter

    get_mnist_ubyte()
    found = []
    for images, labels, shuffle in ((PARTS[0], PARTS[1], True), (PARTS[2], PARTS[3], False)):
        found.append(
            MNISTIter(
                image=os.path.join("data", images),
                label=os.path.join("data", labels),
                input_shape=input_shape,
                batch_size=batch_size,
                shuffle=shuffle,
                flat=len(input_shape) != 3,
                num_parts=num_parts,
                part_index=part_index,
            )
        )
    return found[0], found[1]


def get_zip_data(data_dir: str, url: str, data_origin_name: str) -> None:
    """Fetch an archive into a folder, and unpack it there."""
    path = os.path.join(data_dir, data_origin_name)
    if not os.path.exists(path):
        download(url, data_origin_name, data_dir)
        with zipfile.ZipFile(path) as archive:
            archive.extractall(data_dir)


def get_bz2_data(data_dir: str, data_name: str, url: str, data_origin_name: str) -> None:
    """Fetch a compressed file into a folder, and keep it uncompressed."""
    path, packed = os.path.join(data_dir, data_name), os.path.join(data_dir, data_origin_name)
    if not os.path.exists(path):
        download(url, data_origin_name, data_dir)
        with bz2.open(packed) as source, open(path, "wb") as target:
            shutil.copyfileobj(source, target)
        os.remove(packed)
