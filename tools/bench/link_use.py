#!/usr/bin/env python3
"""Shows what the way up from the device was used for during an upload.

usage: link_use.py --rate MBPS --json FILE CAPTURE

CAPTURE is what tcpdump wrote in the device's namespace (bench_upload.sh --capture), where packets pass as they
leave the token bucket of --rate; --json is the agent's, which says when the upload ended. Prints the time that data and
TCP's acknowledgements took on the wire, and the time in which nothing left, by what was going on: whether
the device's TCP had bytes that were not acknowledged, and whether the other way was busy, as with an
answer. Gaps shorter than half a millisecond count as used.
"""

import argparse
import collections
import json
import struct
import sys

LEAST_GAP_S = 0.0005
LONG_GAP_S = 0.005
# Less than a packet of data under way is a window update or the like.
LEAST_UNDER_WAY = 1000
ETHERNET_BYTES = 14

Packet = collections.namedtuple("Packet", "at_s is_up sequence acknowledges data_bytes wire_bytes")


def read_packets(path):
    """TCP packets of a little-endian pcap file of Ethernet and IPv4; the device opened the connection."""
    with open(path, "rb") as file:
        data = file.read()
    if data[:4] != b"\xd4\xc3\xb2\xa1":
        sys.exit(f"{path}: not a capture that tcpdump wrote on this machine")
    device = None
    at = 24
    while at + 16 <= len(data):
        seconds, micros, kept, wire_bytes = struct.unpack_from("<IIII", data, at)
        packet = data[at + 16:at + 16 + kept]
        at += 16 + kept
        tcp_at = ETHERNET_BYTES + (packet[ETHERNET_BYTES] & 15) * 4
        sequence, acknowledges, offset, _ = struct.unpack_from(">IIBB", packet, tcp_at + 4)
        whole_bytes = struct.unpack_from(">H", packet, ETHERNET_BYTES + 2)[0]
        source = packet[ETHERNET_BYTES + 12:ETHERNET_BYTES + 16]
        device = device or source
        data_bytes = ETHERNET_BYTES + whole_bytes - tcp_at - (offset >> 4) * 4
        yield Packet(seconds + micros * 1e-6, source == device, sequence, acknowledges, data_bytes, wire_bytes)


def later(sequence, than):
    return (sequence - than) % (1 << 32) < 1 << 31


class Use:
    """Adds up what passes: seconds on the wire for data and bare acknowledgements upwards, data downwards; gaps
    between data upwards as (when, how long, TCP's bytes under way, the part for which the way down was busy)."""

    def __init__(self, mbps):
        self.bytes_per_s = mbps * 1e6 / 8
        self.data_s = self.bare_s = self.down_s = 0.0
        self.gaps = []
        self.first_s = self.free_s = self.sent = self.acknowledged = None
        self.gap_bare_s = self.gap_down_s = 0.0

    def under_way(self):
        if self.acknowledged is None or not later(self.sent, self.acknowledged):
            return 0
        return (self.sent - self.acknowledged) % (1 << 32)

    def take_data_up(self, packet, took_s):
        began_s = packet.at_s - took_s
        self.free_s = self.free_s or began_s
        gap_s = began_s - self.free_s - self.gap_bare_s
        if gap_s > LEAST_GAP_S:
            self.gaps.append((self.free_s - self.first_s, gap_s, self.under_way(), self.gap_down_s / gap_s))
            self.free_s = began_s
        # What leaves sooner than the rate allows makes up for what left late.
        self.free_s = max(self.free_s, began_s) + took_s
        self.data_s += took_s
        self.gap_bare_s = self.gap_down_s = 0.0
        end = (packet.sequence + packet.data_bytes) % (1 << 32)
        self.sent = end if self.sent is None or later(end, self.sent) else self.sent

    def take(self, packet):
        took_s = packet.wire_bytes / self.bytes_per_s
        self.first_s = self.first_s or packet.at_s
        if not packet.is_up:
            self.down_s += took_s
            self.gap_down_s += took_s
            if self.acknowledged is None or later(packet.acknowledges, self.acknowledged):
                self.acknowledged = packet.acknowledges
        elif packet.data_bytes > 0:
            self.take_data_up(packet, took_s)
        else:
            self.bare_s += took_s
            self.gap_bare_s += took_s


def print_use(use, upload_s):
    def line(text, seconds):
        print(f"  {seconds:7.2f} s  {seconds / upload_s * 100:5.1f} %  {text}")

    def idle(text, chosen):
        line(text, sum(gap[1] for gap in use.gaps if chosen(gap)))

    idle_s = sum(gap[1] for gap in use.gaps)
    print(f"the way up, {upload_s:.2f} s from the first packet until the upload was acknowledged:")
    line("data", use.data_s)
    line("bare acknowledgements of TCP", use.bare_s)
    line(f"idle, in {len(use.gaps)} gaps; of that:", idle_s)
    idle("  nothing was under way (the device did not send), the way down was busy",
         lambda gap: gap[2] < LEAST_UNDER_WAY and gap[3] > 0.5)
    idle("  nothing was under way, nor was the way down busy", lambda gap: gap[2] < LEAST_UNDER_WAY and gap[3] <= 0.5)
    idle("  TCP had bytes under way", lambda gap: gap[2] >= LEAST_UNDER_WAY)
    idle(f"  gaps of more than {LONG_GAP_S * 1e3:g} ms, of all of these", lambda gap: gap[1] > LONG_GAP_S)
    line("gaps too short to count", upload_s - use.data_s - use.bare_s - idle_s)
    print(f"the way down was busy for {use.down_s:.2f} s")
    longest = sorted(sorted(use.gaps, key=lambda gap: -gap[1])[:10])
    print("longest gaps (at s: ms): " + ", ".join(f"{gap[0]:.3f}: {gap[1] * 1e3:.1f}" for gap in longest))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", required=True, type=float)
    parser.add_argument("--json", required=True)
    parser.add_argument("capture")
    options = parser.parse_args()
    with open(options.json, encoding="utf-8") as file:
        events = [json.loads(text) for text in file if text.strip()]
    upload = next((event for event in events if event["event"] == "upload"), None)
    if not upload:
        sys.exit(f"{options.json}: the upload did not end")
    upload_s = (upload["acked_ms"] - upload["start_ms"]) / 1e3
    use = Use(options.rate)
    for packet in read_packets(options.capture):
        use.take(packet)
        if packet.at_s - use.first_s > upload_s:
            break
    print_use(use, upload_s)
    return 0


if __name__ == "__main__":
    sys.exit(main())
