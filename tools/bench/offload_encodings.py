"""Compares answers whose cut tensors travelled in half precision with those in f32."""

import array
import math
import sys

import offload_runs
from offload_tables import table


def read_floats(path):
    values = array.array("f")
    with open(path, "rb") as file:
        values.frombytes(file.read())
    if sys.byteorder == "big":
        values.byteswap()
    return values


def difference(values, exact):
    """The largest difference, and the same relative to the largest value; whether the best is the same, and the
    best five in their order."""
    if len(values) != len(exact) or not exact:
        raise ValueError("outputs of different sizes")
    largest = max(abs(a - b) for a, b in zip(values, exact))
    if math.isnan(largest):
        raise ValueError("an output is not a number")
    order, exact_order = ([i for _, i in sorted(zip(floats, range(len(floats))), key=lambda pair: (-pair[0], pair[1]))]
                          for floats in (values, exact))
    return {"absolute": largest, "relative": largest / max(map(abs, exact)),
            "top1": order[0] == exact_order[0], "top5": order[:5] == exact_order[:5]}


def sent_and_received(folder, name):
    """Bytes of the query's tensors up and down, where the agent tells."""
    events = offload_runs.read_events(folder / "encodings" / f"{name}.jsonl")
    query = next(e for e in events if e["event"] == "query")
    if query["fallback"] or not offload_runs.has_edge_part(query):
        raise ValueError(f"encodings/{name}: the edge did not do its part")
    return query.get("up_bytes"), query.get("down_bytes")


def compare(folder):
    """A row for each cut: over all photos, the largest differences of f16, and how often the classes stay."""
    cuts = {}
    for row in offload_runs.read_csv(folder / "encodings.csv"):
        cuts.setdefault(row["cut"], {}).setdefault(row["photo"], {})[row["encoding"]] = row["name"]
    rows = []
    for cut, photos in cuts.items():
        found = []
        for names in photos.values():
            exact, half = (read_floats(folder / "encodings" / f"{names[encoding]}.f32") for encoding in ("f32", "f16"))
            found.append(difference(half, exact))
        any_names = next(iter(photos.values()))
        up, down = sent_and_received(folder, any_names["f32"])
        half_up, half_down = sent_and_received(folder, any_names["f16"])
        rows.append({"cut": cut, "photos": len(found), "absolute": max(f["absolute"] for f in found),
                     "relative": max(f["relative"] for f in found), "top1": sum(f["top1"] for f in found),
                     "top5": sum(f["top5"] for f in found), "up": up, "down": down, "half_up": half_up,
                     "half_down": half_down})
    return rows


def kilobytes(value):
    return "-" if value is None else f"{value / 1e3:.1f}"


def write_encodings(rows):
    return table(["on the edge", "f32 up KB", "down KB", "f16 up KB", "down KB", "largest difference",
                  "relative to the largest value", "same class", "same five classes in order"],
                 [["[{}, {})".format(*row["cut"].split(":")), kilobytes(row["up"]), kilobytes(row["down"]),
                   kilobytes(row["half_up"]), kilobytes(row["half_down"]), f"{row['absolute']:.1e}",
                   f"{row['relative']:.1e}", f"{row['top1']} of {row['photos']}", f"{row['top5']} of {row['photos']}"]
                  for row in rows])
