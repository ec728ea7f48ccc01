#!/usr/bin/env python3
"""Tests what judges a run of crash_rounds.py: that it reads what passes, and notices what must not be."""

import hashlib
import pathlib
import struct
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True  # the source tree stays as it is
HERE = pathlib.Path(__file__).absolute().parent
sys.path[:0] = [str(HERE), str(HERE.parent.parent / "tools" / "testing")]
# pylint: disable=wrong-import-position
import crash_store
import crash_watch
import grpc_wire
import py_test

FRAME = 64 << 10


def number(field, value):
    return grpc_wire.varint(field << 3) + grpc_wire.varint(value)


def message(field, data):
    return grpc_wire.varint(field << 3 | 2) + grpc_wire.varint(len(data)) + data


def open_request(*sizes):
    """UploadRequest.open of blobs of these sizes."""
    return message(1, message(1, message(1, b"cfg") + b"".join(message(2, number(1, size)) for size in sizes)))


def chunk_request(layer, encoding, offset, data):
    return message(2, number(1, layer) + number(2, encoding) + number(3, offset) + message(15, data))


def accepted_event(available=(), partial=()):
    packed = b"".join(grpc_wire.varint(layer) for layer in available)
    return message(1, message(1, b"sha256:0") + message(2, packed)
                   + b"".join(message(3, number(1, layer) + number(3, offset)) for layer, offset in partial))


def credit_event(received, stored):
    return message(2, number(1, 1 << 30) + number(2, received) + number(4, stored))


class Passing(unittest.TestCase):
    """Messages through Watch."""

    def setUp(self):
        self.watch = crash_watch.Watch()
        self.calls = {}
        self.stream = -1

    def upload(self, accepted, *chunks, credit=(0, 0)):
        """A call: the device sends the chunks, and gets a credit at last."""
        self.stream += 2
        self.watch.take_request(self.calls, self.stream, open_request(3 * FRAME, FRAME // 2))
        self.watch.take_response(self.calls, self.stream, accepted)
        for chunk in chunks:
            self.watch.take_request(self.calls, self.stream, chunk)
        self.watch.take_response(self.calls, self.stream, credit_event(*credit))
        return self.watch.uploads[-1]

    def frames(self, *offsets):
        return [chunk_request(0, 2, offset, bytes(1000)) for offset in offsets]

    def test_what_was_stored_and_is_there_is_no_loss(self):
        before = self.upload(accepted_event(), *self.frames(0, FRAME), credit=(2000, 2000))
        after = self.upload(accepted_event(partial=[(0, 2 * FRAME)]))
        self.assertEqual(crash_watch.judge_return(before, after), 0)

    def test_what_was_stored_and_is_gone_is_a_loss(self):
        before = self.upload(accepted_event(), *self.frames(0, FRAME), credit=(2000, 2000))
        after = self.upload(accepted_event(partial=[(0, FRAME)]))
        self.assertRaisesRegex(crash_watch.Loss, "2000 bytes were acknowledged as stored, and 1000",
                               crash_watch.judge_return, before, after)

    def test_what_had_arrived_and_was_not_stored_goes_twice(self):
        before = self.upload(accepted_event(), *self.frames(0, FRAME), credit=(2000, 1000))
        after = self.upload(accepted_event(partial=[(0, FRAME)]))
        self.assertEqual(crash_watch.judge_return(before, after), 1000)
        self.assertEqual(before.most_unstored, 1000)

    def test_offsets_never_shrink(self):
        before = self.upload(accepted_event(partial=[(0, FRAME)], available=[1]))
        for after in (accepted_event(available=[1]), accepted_event(partial=[(0, FRAME)])):
            self.assertRaises(crash_watch.Loss, crash_watch.judge_return, before, self.upload(after))
        self.assertEqual(crash_watch.judge_return(before, self.upload(accepted_event(available=[0, 1]))), 0)

    def test_a_draft_is_not_missed_where_the_model_is_whole(self):
        before = self.upload(accepted_event(), chunk_request(0, 4, 0, bytes(500)), credit=(500, 500))
        self.assertRaises(crash_watch.Loss, crash_watch.judge_return, before,
                          self.upload(accepted_event(partial=[(0, FRAME)])))
        self.assertEqual(crash_watch.judge_return(before, self.upload(accepted_event(available=[0]))), 0)

    def test_pieces_as_they_are_end_where_their_bytes_do(self):
        upload = self.upload(accepted_event(), chunk_request(0, 1, 10, bytes(90)), chunk_request(1, 2, 0, b"abc"))
        self.assertEqual(upload.pieces, [((False, 0), 100, 90), ((False, 1), FRAME // 2, 3)])

    def test_answers_of_queries_count(self):
        self.watch.take_request(self.calls, 101, message(1, number(1, 7)))
        self.watch.take_response(self.calls, 101, message(1, number(1, 7) + number(4, 5)))
        self.watch.take_response(self.calls, 101, message(1, number(1, 8) + number(2, 4) + number(4, 5)))
        self.assertEqual([reached for _, reached in self.watch.answers], [5])


class Wire(unittest.TestCase):
    """grpc_wire.py"""

    def test_messages_come_out_however_bytes_are_cut(self):
        body = b"\0" + struct.pack(">I", 300) + bytes(range(256)) + bytes(44)
        data = (grpc_wire.PREFACE + grpc_wire.frame(grpc_wire.SETTINGS, 0, 0)
                + grpc_wire.frame(grpc_wire.DATA, 0, 1, body[:100]) + grpc_wire.frame(grpc_wire.DATA, 0, 1, body[100:]))
        for step in (1, 7, 1000):
            frames, messages, found = grpc_wire.Frames(True), grpc_wire.Messages(), []
            for at in range(0, len(data), step):
                for kind, flags, stream, payload in frames.feed(data[at:at + step]):
                    if kind == grpc_wire.DATA:
                        self.assertEqual(stream, 1)
                        found += messages.feed(flags, payload)
            self.assertEqual(found, [body[5:]])

    def test_numbers_packed_and_not(self):
        self.assertEqual(grpc_wire.numbers(message(2, b"\x01\xac\x02") + number(2, 7), 2), [1, 300, 7])


class Store(unittest.TestCase):
    """crash_store.py"""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def write_blob(self, data, name_data):
        (self.folder / f"{hashlib.sha256(name_data).hexdigest()}-{len(name_data)}").write_bytes(data)

    def write_pack(self, data, name_data):
        head = b"LLblob1\n" + struct.pack("<Q", len(data)) + hashlib.sha256(name_data).digest() + bytes(16)
        (self.folder / "pack-00000001").write_bytes(head + data + bytes(-len(data) % 64))

    def test_right_blobs_count(self):
        self.write_blob(b"blob", b"blob")
        self.write_pack(b"small", b"small")
        (self.folder / "lock").write_bytes(b"")
        self.assertEqual(crash_store.check(self.folder), 2)

    def test_wrong_blobs_are_found(self):
        for write in (self.write_blob, self.write_pack):
            write(b"blob", b"bloc")
            self.assertRaises(crash_watch.Loss, crash_store.check, self.folder)
            for path in self.folder.iterdir():
                path.unlink()


if __name__ == "__main__":
    sys.exit(py_test.run("crash_watch"))
