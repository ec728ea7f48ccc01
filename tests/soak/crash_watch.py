"""What is watched on the way between an agent and a server that are killed: a relay, and what the messages that pass
say of uploads: what was sent, what the server acknowledged, and what it still has when the device comes back."""

import socket
import threading
import time

import grpc_wire
from grpc_wire import field, fields, numbers

FRAME_BYTES = 64 << 10
RAW, DRAFT_FRAME = (0, 1), 4

# UploadEvent
ACCEPTED, CREDIT, REJECTED, COMPLETE = 1, 2, 5, 7


class Upload:
    """One upload call. Blobs are (is_draft, layer)."""

    def __init__(self, request):
        opened = field(request, 1, b"")
        blobs = [field(value, 1) for number, value in fields(field(opened, 1, b"")) if number == 2]
        self.manifest = field(opened, 1, b"")
        self.sizes = blobs
        self.accepted = None
        # Where each blob goes on, in its own bytes.
        self.offsets = {}
        # (blob, end in its own bytes, bytes of the wire), as they left the device.
        self.pieces = []
        self.received = self.stored = 0
        self.most_unstored = 0
        self.rejected = 0
        self.is_complete = False

    def take_chunk(self, chunk):
        layer, encoding, offset = field(chunk, 1), field(chunk, 2), field(chunk, 3)
        data = field(chunk, 15, b"")
        end = offset + len(data) if encoding in RAW else min(offset + FRAME_BYTES, self.sizes[layer])
        self.pieces.append(((encoding == DRAFT_FRAME, layer), end, len(data)))

    def take_accepted(self, accepted):
        self.accepted = accepted
        for is_draft, available, partial in ((False, 2, 3), (True, 10, 11)):
            for layer in numbers(accepted, available):
                self.offsets[is_draft, layer] = self.sizes[layer]
            for number, value in fields(accepted):
                if number == partial:
                    self.offsets[is_draft, field(value, 1)] = field(value, 3)

    def take_credit(self, credit):
        self.received, self.stored = field(credit, 2), field(credit, 4)
        self.most_unstored = max(self.most_unstored, self.received - self.stored)

    def has(self, blob, end):
        """Whether the server has the bytes of a blob up to `end`; a draft's do not count where the model's are whole."""
        exact = False, blob[1]
        return self.offsets.get(blob, 0) >= end or (blob[0] and self.offsets.get(exact, 0) >= self.sizes[blob[1]])


class Loss(Exception):
    """Something that must not happen has happened."""


def judge_return(before, after):
    """Holds what the server has at a device's return against what it had acknowledged to the session before; returns
    how many bytes that had arrived go twice."""
    for blob, offset in before.offsets.items():
        if not after.has(blob, offset):
            raise Loss(f"layer {blob[1]}{', draft' if blob[0] else ''}: the server had {offset} bytes when the device "
                       f"came before, and has {after.offsets.get(blob, 0)}")
    kept = sum(size for blob, end, size in before.pieces if after.has(blob, end))
    if kept < before.stored:
        raise Loss(f"{before.stored} bytes were acknowledged as stored, and {kept} are left")
    return max(before.received - kept, 0)


def first_of_first(message):
    """The first byte of a message's first field, where that is a message in field 1."""
    return grpc_wire.field(message, 1, b"")[:1] if message[:1] == b"\x0a" else b""


class Watch:
    """All calls of all connections, in the order in which they came."""

    def __init__(self):
        self.changed = threading.Condition()
        self.uploads = []
        # When the server answered, and how many layers it ran.
        self.answers = []
        self.up_bytes = 0
        self.trigger = None

    def await_until(self, predicate, seconds, what):
        with self.changed:
            if not self.changed.wait_for(predicate, seconds):
                raise Loss(f"waited {seconds} s for {what}")

    def arm(self, after_bytes, action):
        """Calls `action` once when so many more bytes have gone to the server, between two of them."""
        with self.changed:
            self.trigger = (self.up_bytes + after_bytes, action)

    def disarm(self):
        with self.changed:
            self.trigger = None

    def take_request(self, calls, stream, message):
        if stream not in calls:
            # An open begins with its manifest, a query with its number; other calls do not matter.
            calls[stream] = {b"\x0a": "upload", b"\x08": "offload"}.get(first_of_first(message))
            if calls[stream] == "upload":
                calls[stream] = Upload(message)
                self.uploads.append(calls[stream])
        elif isinstance(calls[stream], Upload):
            chunk = field(message, 2, b"")
            if chunk:
                calls[stream].take_chunk(chunk)

    def take_response(self, calls, stream, message):
        upload = calls.get(stream)
        if upload is None:
            return
        number, value = next(iter(fields(message)), (0, b""))
        if upload == "offload":
            # OffloadResponse.answer; a failed one has a status.
            if number == 1 and field(value, 2) == 0:
                self.answers.append((time.monotonic(), field(value, 4)))
        elif number == ACCEPTED:
            upload.take_accepted(value)
        elif number == CREDIT:
            upload.take_credit(value)
        elif number == REJECTED:
            upload.rejected += 1
        elif number == COMPLETE:
            upload.is_complete = True


class Relay:
    """Takes connections on a port of its own and leads them to the server's, whichever that is."""

    def __init__(self, watch):
        self.watch = watch
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.server_port = None
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            device, _ = self.listener.accept()
            try:
                server = socket.create_connection(("127.0.0.1", self.server_port), 10)
            except OSError:
                device.close()
                continue
            server.settimeout(None)
            for end in (device, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            calls = {}
            for source, target, is_up in ((device, server, True), (server, device, False)):
                threading.Thread(target=self.copy, args=(source, target, is_up, calls), daemon=True).start()

    def copy(self, source, target, is_up, calls):
        frames, streams = grpc_wire.Frames(is_up), {}
        take = self.watch.take_request if is_up else self.watch.take_response
        try:
            while True:
                data = source.recv(65536)
                if not data:
                    break
                with self.watch.changed:
                    for kind, flags, stream, payload in frames.feed(data):
                        if kind != grpc_wire.DATA:
                            continue
                        for message in streams.setdefault(stream, grpc_wire.Messages()).feed(flags, payload):
                            take(calls, stream, message)
                    self.watch.changed.notify_all()
                if is_up:
                    self.send_up(target, data)
                else:
                    target.sendall(data)
        except OSError:
            pass
        for end in (source, target):
            # Who still sends learns that the other side has gone; what was sent before still arrives.
            try:
                end.shutdown(socket.SHUT_WR)
            except OSError:
                pass

    def send_up(self, target, data):
        watch = self.watch
        with watch.changed:
            at, watch.up_bytes = watch.up_bytes, watch.up_bytes + len(data)
            due = watch.trigger and watch.trigger[0] <= watch.up_bytes and watch.trigger
            if due:
                watch.trigger = None
        cut = max(due[0] - at, 0) if due else len(data)
        target.sendall(data[:cut])
        if due:
            due[1]()
            target.sendall(data[cut:])
