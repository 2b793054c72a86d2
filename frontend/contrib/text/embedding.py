"""Vectors for tokens: read from files, joined, and looked up."""

from __future__ import annotations

import functools
import hashlib
import json
import logging
import os
import shutil
import tarfile
import urllib.request
import warnings
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ... import ndarray as nd
from ... import registry
from ...base import data_dir
from ...ndarray import NDArray
from .vocab import UNKNOWN, InvalidArgument, Vocabulary

__all__ = ["CompositeEmbedding", "CustomEmbedding", "FastText", "GloVe", "create", "get_pretrained_file_names", "register"]

#: Where files of vectors are, unless MXNET_GLUON_REPO says otherwise.
REPOSITORY = "https://apache-mxnet.s3-accelerate.dualstack.amazonaws.com/"
#: SHA-1 sums of the files of vectors, and of the archives that they come in.
PRETRAINED: dict[str, dict[str, dict[str, str]]] = json.loads((Path(__file__).parents[2] / "data" / "embeddings.json").read_text())


def _sha1(path: str) -> str:
    digest = hashlib.sha1(usedforsecurity=False)
    with open(path, "rb") as f:
        for block in iter(functools.partial(f.read, 1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


class _TokenEmbedding(Vocabulary):
    """A vocabulary with a vector for each token; base of all embeddings.

    A subclass that reads published files names them in `pretrained_file_name_sha1`; where they come in archives, these
    are named in `pretrained_archive_name_sha1`. Parameters are those of :class:`Vocabulary`.
    """

    pretrained_file_name_sha1: ClassVar[dict[str, str]] = {}
    pretrained_archive_name_sha1: ClassVar[dict[str, str]] = {}
    _idx_to_vec: NDArray | None = None
    _vec_len = 0

    # Published files.

    @classmethod
    def _check_pretrained_file_names(cls, pretrained_file_name: str) -> None:
        if pretrained_file_name not in cls.pretrained_file_name_sha1:
            known = ", ".join(cls.pretrained_file_name_sha1)
            raise KeyError(f"{cls.__name__.lower()} has no file {pretrained_file_name!r}; its files are: {known}")

    @classmethod
    def _get_download_file_name(cls, pretrained_file_name: str) -> str:
        return pretrained_file_name

    @classmethod
    def _get_pretrained_file_url(cls, pretrained_file_name: str) -> str:
        repository = os.environ.get("MXNET_GLUON_REPO", REPOSITORY)
        if not repository.endswith("/"):
            repository += "/"
        return f"{repository}gluon/embeddings/{cls.__name__.lower()}/{cls._get_download_file_name(pretrained_file_name)}"

    @classmethod
    def _get_pretrained_file(cls, embedding_root: str, pretrained_file_name: str) -> str:
        """Return the path of a published file; it is fetched where it is not there, or is not what was published."""
        folder = os.path.join(os.path.expanduser(embedding_root), cls.__name__.lower())
        path = os.path.join(folder, pretrained_file_name)
        expected = cls.pretrained_file_name_sha1[pretrained_file_name]
        if os.path.exists(path) and _sha1(path) == expected:
            return path
        os.makedirs(folder, exist_ok=True)
        name = cls._get_download_file_name(pretrained_file_name)
        fetched, url = os.path.join(folder, name), cls._get_pretrained_file_url(pretrained_file_name)
        with urllib.request.urlopen(url) as source, open(fetched + ".part", "wb") as target:
            shutil.copyfileobj(source, target)
        wanted = cls.pretrained_archive_name_sha1.get(name, expected)
        if _sha1(fetched + ".part") != wanted:
            raise OSError(f"{url} does not hold what was published: its SHA-1 sum is {_sha1(fetched + '.part')}, not {wanted}")
        os.replace(fetched + ".part", fetched)
        if name.endswith(".zip"):
            with zipfile.ZipFile(fetched) as archive:
                archive.extractall(folder)
        elif name.endswith(".gz"):
            with tarfile.open(fetched) as archive:
                archive.extractall(folder, filter="data")
        return path

    def _load_embedding(
        self, pretrained_file_path: str, elem_delim: str, init_unknown_vec: Callable[..., NDArray], encoding: str = "utf8"
    ) -> None:
        """Read a file with a token and its vector in each line; other tokens get the vector of `init_unknown_vec`."""
        path = os.path.expanduser(pretrained_file_path)
        if not os.path.isfile(path):
            raise ValueError(f"pretrained_file_path: there is no file {path!r}")
        logging.info("Loading pre-trained token embedding vectors from %s", path)
        vectors: dict[str, list[float]] = {}
        length = 0
        with open(path, encoding=encoding) as lines:
            for number, line in enumerate(lines, 1):
                token, *parts = line.rstrip().split(elem_delim)
                where = f"{path}, line {number}"
                if not parts:
                    raise InvalidArgument(f"{where}: a token and its vector are expected, with {elem_delim!r} between, got {line.rstrip()!r:.80}")
                if token in vectors:
                    warnings.warn(f"{where}: token {token!r} has a vector already; this one is skipped", UserWarning, stacklevel=3)
                    continue
                if len(parts) == 1:
                    warnings.warn(f"{where}: a vector of length 1 is taken for a header, and skipped", UserWarning, stacklevel=3)
                    continue
                length = length or len(parts)
                if len(parts) != length:
                    raise InvalidArgument(f"{where}: the vector of {token!r} has length {len(parts)}, those before have {length}")
                vectors[token] = [float(part) for part in parts]
        for token in vectors:
            if token not in self._token_to_idx:
                self._token_to_idx[token] = len(self._idx_to_token)
                self._idx_to_token.append(token)
        unknown = vectors.get(self.unknown_token)
        if unknown is None:
            unknown = init_unknown_vec(shape=length).asnumpy().tolist()
        self._vec_len = length
        self._idx_to_vec = nd.array(np.array([vectors.get(token, unknown) for token in self._idx_to_token], np.float32))

    # Vectors.

    def _index_tokens_from_vocabulary(self, vocabulary: Vocabulary) -> None:
        self._token_to_idx = dict(vocabulary.token_to_idx)
        self._idx_to_token = list(vocabulary.idx_to_token)
        self._unknown_token = vocabulary.unknown_token
        self._reserved_tokens = None if vocabulary.reserved_tokens is None else list(vocabulary.reserved_tokens)

    def _set_idx_to_vec_by_embeddings(self, token_embeddings: Sequence[_TokenEmbedding], vocab_idx_to_token: Sequence[Any]) -> None:
        """Take the tokens' vectors in several embeddings, one after the other."""
        parts = []
        for embedding in token_embeddings:
            # The unknown token has its number in common with that of other embeddings, not its name.
            numbers = [UNKNOWN, *embedding.to_indices(list(vocab_idx_to_token[1:]))]
            parts.append(nd.take(embedding.idx_to_vec, nd.array(numbers)))
        self._idx_to_vec = nd.concat(*parts, dim=1)
        self._vec_len = self._idx_to_vec.shape[1]

    def _build_embedding_for_vocabulary(self, vocabulary: Vocabulary | None) -> None:
        """Keep the vectors of the tokens of a vocabulary."""
        if vocabulary is None:
            return
        if not isinstance(vocabulary, Vocabulary):
            raise InvalidArgument(f"vocabulary must be a Vocabulary, got {type(vocabulary).__name__}")
        self._set_idx_to_vec_by_embeddings([self], vocabulary.idx_to_token)
        self._index_tokens_from_vocabulary(vocabulary)

    @property
    def vec_len(self) -> int:
        """Length of a vector."""
        return self._vec_len

    @property
    def idx_to_vec(self) -> NDArray:
        """The vectors, a row a token."""
        return self._idx_to_vec

    def get_vecs_by_tokens(self, tokens: Any, lower_case_backup: bool = False) -> NDArray:
        """Return the vector of a token, or the vectors of a list of tokens as rows.

        Parameters
        ----------
        tokens : str or list of str
            What to look up; tokens without a vector have that of the unknown token.
        lower_case_backup : bool, default False
            Whether to look up in small letters what is not found as it is.
        """
        several = tokens if isinstance(tokens, list) else [tokens]
        if lower_case_backup:
            several = [token if token in self._token_to_idx else token.lower() for token in several]
        vectors = nd.take(self.idx_to_vec, nd.array(self.to_indices(several)))
        return vectors if isinstance(tokens, list) else vectors[0]

    def update_token_vectors(self, tokens: Any, new_vectors: NDArray) -> None:
        """Replace the vectors of tokens.

        Parameters
        ----------
        tokens : str or list of str
            Tokens that have vectors; to change what others have, name the unknown token.
        new_vectors : NDArray
            A row a token; one vector alone may have one axis.
        """
        several = tokens if isinstance(tokens, list) else [tokens]
        axes = (1, 2) if len(several) == 1 else (2,)
        if not isinstance(new_vectors, NDArray) or new_vectors.ndim not in axes:
            raise InvalidArgument(f"new_vectors must be an NDArray with {' or '.join(map(str, axes))} axes, got {new_vectors!r:.200}")
        if new_vectors.ndim == 1:
            new_vectors = new_vectors.expand_dims(axis=0)
        if new_vectors.shape != (len(several), self.vec_len):
            raise InvalidArgument(f"new_vectors must have shape {(len(several), self.vec_len)}, got {new_vectors.shape}")
        for token in several:
            if token not in self._token_to_idx:
                raise ValueError(f"token {token!r} has no vector; what unknown tokens have is changed under the name {self.unknown_token!r}")
        self.idx_to_vec[nd.array(self.to_indices(several))] = new_vectors


def register(embedding_cls: type) -> type:
    """Make an embedding known to :func:`create` under the name of its class, in small letters."""
    return registry.get_register_func(_TokenEmbedding, "token embedding")(embedding_cls)


def create(embedding_name: str, **kwargs: Any) -> Any:
    """Make an embedding by the name of its class.

    Parameters
    ----------
    embedding_name : str
        As in :func:`get_pretrained_file_names`.
    **kwargs
        Its parameters.
    """
    return registry.get_create_func(_TokenEmbedding, "token embedding")(embedding_name, **kwargs)


def get_pretrained_file_names(embedding_name: str | None = None) -> Any:
    """Return the names of the files that an embedding can read, or a dict of those of all embeddings.

    Examples
    --------
    >>> get_pretrained_file_names("glove")[:2]
    ['glove.42B.300d.txt', 'glove.6B.50d.txt']
    """
    known = registry.get_registry(_TokenEmbedding)
    if embedding_name is None:
        return {name: list(cls.pretrained_file_name_sha1) for name, cls in known.items()}  # type: ignore[attr-defined]
    if embedding_name not in known:
        raise KeyError(f"there is no embedding {embedding_name!r}; there are: {', '.join(known)}")
    return list(known[embedding_name].pretrained_file_name_sha1)  # type: ignore[attr-defined]


class _Published(_TokenEmbedding):
    """Reads a published file of vectors."""

    def __init__(
        self,
        pretrained_file_name: str,
        embedding_root: str | None,
        init_unknown_vec: Callable[..., NDArray],
        vocabulary: Vocabulary | None,
        **kwargs: Any,
    ) -> None:
        self._check_pretrained_file_names(pretrained_file_name)
        super().__init__(**kwargs)
        root = os.path.join(data_dir(), "embeddings") if embedding_root is None else embedding_root
        self._load_embedding(self._get_pretrained_file(root, pretrained_file_name), " ", init_unknown_vec)
        self._build_embedding_for_vocabulary(vocabulary)


@register
class GloVe(_Published):
    """The vectors of the GloVe project, https://nlp.stanford.edu/projects/glove/ .

    Parameters
    ----------
    pretrained_file_name : str, default "glove.840B.300d.txt"
        One of ``get_pretrained_file_names("glove")``.
    embedding_root : str, optional
        Folder for fetched files.
    init_unknown_vec : callable, default nd.zeros
        Makes the vector of unknown tokens.
    vocabulary : Vocabulary, optional
        Keep the vectors of its tokens alone.
    """

    pretrained_file_name_sha1 = PRETRAINED["glove"]["files"]
    pretrained_archive_name_sha1 = PRETRAINED["glove"]["archives"]

    def __init__(
        self,
        pretrained_file_name: str = "glove.840B.300d.txt",
        embedding_root: str | None = None,
        init_unknown_vec: Callable[..., NDArray] = nd.zeros,
        vocabulary: Vocabulary | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(pretrained_file_name, embedding_root, init_unknown_vec, vocabulary, **kwargs)

    @classmethod
    def _get_download_file_name(cls, pretrained_file_name: str) -> str:
        corpus = pretrained_file_name.split(".")[1]  # an archive holds the vectors of all lengths for a corpus
        return next(name for name in cls.pretrained_archive_name_sha1 if name.split(".")[1] == corpus)


@register
class FastText(_Published):
    """The vectors of the fastText project, https://fasttext.cc/ .

    Parameters are those of :class:`GloVe`; files are ``get_pretrained_file_names("fasttext")``.
    """

    pretrained_file_name_sha1 = PRETRAINED["fasttext"]["files"]
    pretrained_archive_name_sha1 = PRETRAINED["fasttext"]["archives"]

    def __init__(
        self,
        pretrained_file_name: str = "wiki.simple.vec",
        embedding_root: str | None = None,
        init_unknown_vec: Callable[..., NDArray] = nd.zeros,
        vocabulary: Vocabulary | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(pretrained_file_name, embedding_root, init_unknown_vec, vocabulary, **kwargs)

    @classmethod
    def _get_download_file_name(cls, pretrained_file_name: str) -> str:
        return os.path.splitext(pretrained_file_name)[0] + ".zip"


@register
class CustomEmbedding(_TokenEmbedding):
    """Vectors from a file of one's own: a token and its vector in each line.

    Parameters
    ----------
    pretrained_file_path : str
        The file.
    elem_delim : str, default " "
        What stands between the parts of a line.
    encoding : str, default "utf8"
        Encoding of the file.
    init_unknown_vec : callable, default nd.zeros
        Makes the vector of unknown tokens, where the file has none.
    vocabulary : Vocabulary, optional
        Keep the vectors of its tokens alone.
    **kwargs
        Parameters of :class:`~weft.contrib.text.vocab.Vocabulary`.
    """

    def __init__(
        self,
        pretrained_file_path: str,
        elem_delim: str = " ",
        encoding: str = "utf8",
        init_unknown_vec: Callable[..., NDArray] = nd.zeros,
        vocabulary: Vocabulary | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._load_embedding(pretrained_file_path, elem_delim, init_unknown_vec, encoding)
        self._build_embedding_for_vocabulary(vocabulary)


class CompositeEmbedding(_TokenEmbedding):
    """For the tokens of a vocabulary, the vectors of several embeddings one after the other.

    Parameters
    ----------
    vocabulary : Vocabulary
        The tokens.
    token_embeddings : embedding or list of embeddings
        Where their vectors are from.
    """

    def __init__(self, vocabulary: Vocabulary, token_embeddings: Any) -> None:
        if not isinstance(vocabulary, Vocabulary):
            raise InvalidArgument(f"vocabulary must be a Vocabulary, got {type(vocabulary).__name__}")
        several = token_embeddings if isinstance(token_embeddings, list) else [token_embeddings]
        for embedding in several:
            if not isinstance(embedding, _TokenEmbedding):
                raise InvalidArgument(f"token_embeddings must be embeddings, got {type(embedding).__name__}")
        super().__init__()
        self._index_tokens_from_vocabulary(vocabulary)
        self._set_idx_to_vec_by_embeddings(several, self._idx_to_token)
