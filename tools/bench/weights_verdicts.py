"""Holds what bench_weights.sh measured against the goals: one line each, with the figure."""

from offload_tables import number, spread
from offload_verdicts import line

# Of the model's bytes, with trained weights: losslessly; a draft's as bf16.
SHARES = {"efficientnet-lite0": (0.836, 0.355), "yolov3-tiny": (0.838, 0.340)}
DRAFT_ALL = 0.842
# Ready over what the bytes take on the wire, without queries.
READY = {"5": 1.03, "20": 1.03, "80": 1.03, "400": 1.1}
# The same over the weights alone, beside letterboxed queries.
BESIDE_QUERIES = 1.3
BESIDE_RATE = "20"


def find(cells, **wanted):
    return [c for c in cells if all(c.key[key] == value for key, value in wanted.items())]


def judge_shares(cells):
    for model, (frames, draft) in SHARES.items():
        for encoding, name, bound in (("frames", "share", frames), ("draft", "draft_share", draft),
                                      ("draft", "share", DRAFT_ALL)):
            goal = (f"{model}, trained, {encoding}: {'draft' if name == 'draft_share' else 'weight'} bytes at most "
                    f"{bound} of the model")
            found = find(cells, model=model, weights="trained", encoding=encoding)
            if not found:
                yield f"not measured: {goal}"
                continue
            # However the link was.
            most = max(c.median(name) for c in found)
            yield line(most <= bound, goal, number(most, 4))


def judge_ready(cells):
    goal = "exact within {} of the wire bound of all bytes sent, without queries"
    found = [c for c in find(cells, queries="none") if c.key["link"] in READY and c.key["encoding"] != "raw"]
    if not found:
        yield f"not measured: {goal.format(READY[BESIDE_RATE])}"
    for c in found:
        bound = READY[c.key["link"]]
        yield line(c.median("over_bytes") <= bound, f"{c.key['model']}, {c.key['weights']}, {c.key['encoding']}, "
                   f"{c.key['link']} Mbit/s: {goal.format(bound)}", spread(c, "over_bytes", 3))


def judge_queries(cells):
    goal = f"exact within {BESIDE_QUERIES} of the weights' own bound, beside queries at {BESIDE_RATE} Mbit/s"
    found = find(cells, queries="back", link=BESIDE_RATE, encoding="frames")
    if not found:
        yield f"not measured: {goal}"
    for c in found:
        yield line(c.median("over_weights") <= BESIDE_QUERIES, f"{c.key['model']}, {c.key['weights']}: {goal}",
                   spread(c, "over_weights", 3))


def judge_processors(cells):
    """Coding is the encoder's time, and what the edge's receiver takes more than with weights as they are."""
    goal = "coding takes less processor time than gRPC, both sides together, without queries"
    is_measured = False
    for coded in find(cells, queries="none"):
        raw = find(cells, **{key: coded.key[key] for key in ("model", "weights", "queries", "link")}, encoding="raw")
        if coded.key["encoding"] == "raw" or not raw:
            continue
        is_measured = True
        coding_s = coded.median("encoder_s") + max(coded.median("receiver_s") - raw[0].median("receiver_s"), 0)
        yield line(coding_s < coded.median("grpc_s"), f"{coded.key['model']}, {coded.key['weights']}, "
                   f"{coded.key['encoding']}, {coded.key['link']} Mbit/s: {goal}",
                   f"{coding_s:.3f} s and {coded.median('grpc_s'):.3f} s")
    if not is_measured:
        yield f"not measured: {goal}"


def judge(cells):
    return [*judge_shares(cells), *judge_ready(cells), *judge_queries(cells), *judge_processors(cells)]
