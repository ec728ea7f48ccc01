"""What a server that was killed again and again has left in its store: every blob has its digest."""

import hashlib
import re
import struct

from crash_watch import Loss

# A verified blob's file: its digest and size.
BLOB = re.compile(r"^([0-9a-f]{64})-([0-9]+)$")
PACK = re.compile(r"^pack-[0-9]+$")
PACK_MAGIC, PACK_ALIGNMENT = b"LLblob1\n", 64


def pack_records(path):
    """(digest, bytes) of the small blobs in a pack: heads (magic, size, SHA-256) at multiples of 64, the bytes behind
    each. What a kill has torn stands last, and is cut at the next start."""
    data = path.read_bytes()
    at = 0
    while data[at:at + len(PACK_MAGIC)] == PACK_MAGIC:
        size, = struct.unpack_from("<Q", data, at + 8)
        begin = at + PACK_ALIGNMENT
        yield data[at + 16:at + 48].hex(), data[begin:begin + size]
        at = begin + (size + PACK_ALIGNMENT - 1) // PACK_ALIGNMENT * PACK_ALIGNMENT
    if at < len(data):
        raise Loss(f"{path.name}: no record at {at} of {len(data)} bytes")


def check(folder):
    """How many blobs there are; raises Loss at one that is not what its name says."""
    count = 0
    for path in sorted(folder.rglob("*")):
        name = BLOB.match(path.name)
        if name:
            data = path.read_bytes()
            if hashlib.sha256(data).hexdigest() != name[1] or len(data) != int(name[2]):
                raise Loss(f"{path.name}: {len(data)} bytes with another digest")
            count += 1
        elif PACK.match(path.name):
            for digest, data in pack_records(path):
                if hashlib.sha256(data).hexdigest() != digest:
                    raise Loss(f"{path.name}: a record of {len(data)} bytes has another digest than {digest}")
                count += 1
    return count


def check_model(model, weights, field, fields):
    """Holds GetModel's blobs, in their order, against the .weights file: whole, and with the file's digests."""
    # major, minor, revision, and what was seen: 8 bytes from version 0.2 on.
    major, minor = struct.unpack_from("<ii", weights)
    at = 20 if major * 10 + minor >= 2 else 16
    if field(model, 2) != 3:
        raise Loss(f"the model is not ready: state {field(model, 2)}, {field(model, 11, b'').decode()}")
    for number, layer in fields(model):
        if number != 12:
            continue
        blob = field(layer, 3, b"")
        size = field(blob, 1)
        if size == 0:
            continue
        digest = "sha256:" + hashlib.sha256(weights[at:at + size]).hexdigest()
        if field(blob, 2, b"").decode() != digest or field(layer, 4) != size or not field(layer, 5):
            raise Loss(f"a layer of {size} bytes: {field(layer, 4)} bytes are there, {field(blob, 2, b'').decode()}")
        at += size
    if at != len(weights):
        raise Loss(f"the server's blobs are {at} bytes, the weights {len(weights)}")
