"""Just enough of gRPC over HTTP/2 without TLS to read what passes, and to make one unary call; and of protobuf to
read a message's fields. Nothing here knows what HPACK says: a call is told by its messages."""

import socket
import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, SETTINGS, PING = 0, 1, 4, 6
ACK, END_STREAM, END_HEADERS, PADDED = 1, 1, 4, 8


class Frames:
    """Cuts one direction of a connection into frames."""

    def __init__(self, has_preface):
        self.buffer = bytearray()
        self.skip = len(PREFACE) if has_preface else 0

    def feed(self, data):
        """(type, flags, stream, payload) of each frame that `data` completes."""
        self.buffer += data
        if self.skip:
            if len(self.buffer) < self.skip:
                return
            del self.buffer[:self.skip]
            self.skip = 0
        at = 0
        while at + 9 <= len(self.buffer):
            end = at + 9 + int.from_bytes(self.buffer[at:at + 3], "big")
            if end > len(self.buffer):
                break
            stream = int.from_bytes(self.buffer[at + 5:at + 9], "big") & 0x7fffffff
            yield self.buffer[at + 3], self.buffer[at + 4], stream, bytes(self.buffer[at + 9:end])
            at = end
        del self.buffer[:at]


class Messages:
    """Puts the messages of one direction of a call together."""

    def __init__(self):
        self.buffer = bytearray()

    def feed(self, flags, payload):
        """Each message that a DATA frame completes."""
        if flags & PADDED:
            payload = payload[1:len(payload) - payload[0]]
        self.buffer += payload
        while len(self.buffer) >= 5:
            end = 5 + int.from_bytes(self.buffer[1:5], "big")
            if end > len(self.buffer):
                break
            yield bytes(self.buffer[5:end])
            del self.buffer[:end]


def read_varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7f) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def fields(data):
    """(number, value) of a message's fields: whole numbers, or bytes."""
    at = 0
    while at < len(data):
        key, at = read_varint(data, at)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, at = read_varint(data, at)
        elif kind == 2:
            size, at = read_varint(data, at)
            value, at = data[at:at + size], at + size
        else:
            size = {1: 8, 5: 4}[kind]
            value, at = data[at:at + size], at + size
        yield number, value


def field(data, wanted, default=0):
    """The last value of a field, as a reader takes it."""
    for number, value in fields(data):
        if number == wanted:
            default = value
    return default


def numbers(data, wanted):
    """A repeated field of whole numbers, packed or not."""
    found = []
    for number, value in fields(data):
        if number == wanted and isinstance(value, int):
            found.append(value)
        elif number == wanted:
            at = 0
            while at < len(value):
                one, at = read_varint(value, at)
                found.append(one)
    return found


def varint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7f | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def text_field(number, text):
    data = text.encode()
    return varint(number << 3 | 2) + varint(len(data)) + data


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes((kind, flags)) + struct.pack(">I", stream) + payload


def header(name, value):
    """A literal header field that no table keeps."""
    return b"\0" + varint(len(name)) + name.encode() + varint(len(value)) + value.encode()


def call(port, path, request, timeout_s=30):
    """A unary call of 127.0.0.1:port; the answer's bytes. Raises OSError where the connection breaks or the call
    ends without an answer."""
    head = b"".join(header(name, value) for name, value in (
        (":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "test"), ("te", "trailers"),
        ("content-type", "application/grpc")))
    with socket.create_connection(("127.0.0.1", port), timeout_s) as peer:
        peer.sendall(PREFACE + frame(SETTINGS, 0, 0) + frame(HEADERS, END_HEADERS, 1, head)
                     + frame(DATA, END_STREAM, 1, b"\0" + struct.pack(">I", len(request)) + request))
        frames, messages = Frames(False), Messages()
        while True:
            data = peer.recv(65536)
            if not data:
                raise OSError(f"{path}: the connection ended")
            for kind, flags, stream, payload in frames.feed(data):
                if kind == SETTINGS and not flags & ACK:
                    peer.sendall(frame(SETTINGS, ACK, 0))
                elif kind == PING and not flags & ACK:
                    peer.sendall(frame(PING, ACK, 0, payload))
                elif kind == DATA and stream == 1:
                    for message in messages.feed(flags, payload):
                        return message
                elif kind == HEADERS and flags & END_STREAM:
                    raise OSError(f"{path}: refused")
