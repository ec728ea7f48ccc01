"""Reads PyTorch's old-format .pth files (before 1.6: no zip) without PyTorch.

The format, one after the other in the file: four pickles (a magic number, the protocol version, a dict
about the machine that wrote it, the object itself), a pickled list of storage keys, and then, in that
list's order, each storage as a 64-bit element count and its raw little-endian elements.

A pickle is a program. The unpickler here knows the four names that a plain state dict needs and refuses
every other one, so the file can build dicts, tuples and tensors and nothing else.
"""

import collections
import io
import pickle
import struct

import numpy as np

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001
MAX_DIMENSIONS = 8
MAX_STORAGES = 100_000

# Storage type -> element type.
STORAGE_TYPES = {
    "FloatStorage": np.dtype("<f4"),
    "LongStorage": np.dtype("<i8"),
}


class PthError(Exception):
    """The file is not a plain state dict in the old format."""


class _StorageType:
    """Stands for torch.FloatStorage and the like, which the pickle only names."""

    def __init__(self, name):
        self.name = name
        self.dtype = STORAGE_TYPES[name]


class _Storage:
    """One run of elements. `data` is filled after the pickles have been read."""

    def __init__(self, dtype, count):
        self.dtype = dtype
        self.count = count
        self.data = None


class _Tensor:
    """A strided view of a storage, in elements."""

    def __init__(self, storage, offset, size, stride):
        self.storage = storage
        self.offset = offset
        self.size = size
        self.stride = stride

    def array(self):
        """The tensor as a contiguous array of its own."""
        view = np.lib.stride_tricks.as_strided(
            self.storage.data[self.offset :],
            shape=self.size,
            strides=[s * self.storage.dtype.itemsize for s in self.stride],
            writeable=False,
        )
        return np.array(view, order="C")


def _is_count(value):
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _rebuild_tensor(storage, offset, size, stride, requires_grad=False, hooks=None, *rest):
    """What torch._utils._rebuild_tensor_v2 stands for; every number is checked against the storage."""
    del requires_grad
    if not isinstance(storage, _Storage) or hooks or rest:
        raise PthError("a tensor is not a plain view of a storage")
    if not isinstance(size, tuple) or not isinstance(stride, tuple) or len(size) != len(stride):
        raise PthError("a tensor's size and stride do not belong together")
    if len(size) > MAX_DIMENSIONS or not all(map(_is_count, (offset, *size, *stride))):
        raise PthError(f"a tensor has an impossible shape: offset {offset}, size {size}, stride {stride}")
    last = offset + sum((n - 1) * s for n, s in zip(size, stride))
    elements = 1
    for n in size:
        elements *= n
    # A stride of zero could blow a small storage up to any size.
    if elements == 0 or elements > storage.count or last >= storage.count:
        raise PthError(
            f"a tensor leaves its storage: offset {offset}, size {size}, stride {stride}, "
            f"storage of {storage.count}"
        )
    return _Tensor(storage, offset, size, stride)


class _Unpickler(pickle.Unpickler):
    """Knows exactly the names of a state dict; `storages` collects what the pickle refers to."""

    def __init__(self, file, storages):
        super().__init__(file)
        self._storages = storages

    def find_class(self, module, name):
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild_tensor
        if module == "torch" and name in STORAGE_TYPES:
            return _StorageType(name)
        raise PthError(f"the pickle asks for {module}.{name}, which a state dict does not need: refused")

    def persistent_load(self, pid):
        if not isinstance(pid, tuple) or len(pid) != 6 or pid[0] != "storage":
            raise PthError("the pickle holds an unknown kind of reference")
        _, kind, key, location, count, view = pid
        if not isinstance(kind, _StorageType) or not isinstance(key, str) or view is not None:
            raise PthError("a storage is described in an unknown way")
        if location != "cpu" or not _is_count(count):
            raise PthError(f"storage {key}: location {location!r}, {count!r} elements: refused")
        known = self._storages.get(key)
        if known is None:
            if len(self._storages) >= MAX_STORAGES:
                raise PthError(f"more than {MAX_STORAGES} storages")
            known = self._storages[key] = _Storage(kind.dtype, count)
        if known.dtype != kind.dtype or known.count != count:
            raise PthError(f"storage {key} is described twice and differently")
        return known


def _load(file, storages, what):
    try:
        return _Unpickler(file, storages).load()
    except PthError:
        raise
    except Exception as error:  # whatever a damaged pickle makes pickle raise
        raise PthError(f"cannot read {what}: {type(error).__name__}: {error}") from error


def _read_storages(file, storages, keys):
    if not isinstance(keys, list) or sorted(map(str, keys)) != sorted(storages):
        raise PthError("the list of storages differs from those that the tensors use")
    for key in keys:
        storage = storages[key]
        head = file.read(8)
        if len(head) != 8 or struct.unpack("<q", head)[0] != storage.count:
            raise PthError(f"storage {key}: the element count is missing or not {storage.count}")
        data = file.read(storage.count * storage.dtype.itemsize)
        if len(data) != storage.count * storage.dtype.itemsize:
            raise PthError(f"storage {key}: {len(data)} bytes left, {storage.count} elements expected")
        storage.data = np.frombuffer(data, dtype=storage.dtype)
    if file.read(1):
        raise PthError("bytes after the last storage")


def read_state_dict(data):
    """The tensors of an old-format .pth file's bytes: {name: contiguous array}, in the file's order."""
    file = io.BytesIO(data)
    storages = {}
    if _load(file, storages, "the magic number") != MAGIC:
        raise PthError("not an old-format .pth file")
    if _load(file, storages, "the protocol version") != PROTOCOL:
        raise PthError("unknown protocol version")
    info = _load(file, storages, "the machine description")
    if not isinstance(info, dict) or info.get("little_endian") is not True:
        raise PthError("not written on a little-endian machine")
    state = _load(file, storages, "the state dict")
    if not isinstance(state, dict):
        raise PthError(f"holds a {type(state).__name__}, not a state dict")
    for name, tensor in state.items():
        if not isinstance(name, str) or not isinstance(tensor, _Tensor):
            raise PthError(f"entry {name!r} is not a named tensor")
    _read_storages(file, storages, _load(file, storages, "the storage list"))
    return {name: tensor.array() for name, tensor in state.items()}
