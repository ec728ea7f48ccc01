#!/usr/bin/env python3
"""Kills a server, an agent, or both, again and again at random moments of uploads with queries, and checks what must
hold then: no query lost or wrong, no acknowledged byte lost, nothing sent twice but for a frame, all blobs right.

usage: crash_rounds.py --programs DIR [OPTION]...

  --programs DIR     where edge/server, device/agent, tools/infer and tools/make_weights are (bazel-bin)
  --rounds N         kills (default: 20)
  --seed N           of the moments, of who is killed, and of the weights (default: 1)
  --agent OPTION     an option more for the agent, such as --agent=--precision=draft; may be given several times
  --server OPTION    the same for the server
  --limit-mbps R     the agent's (default: 40)
  --work DIR         where all files go, kept at the end (default: a temporary folder)

A relay stands between the two. It counts what goes to the server, so that a kill comes between two bytes that the
seed has chosen, not at a time; and reads the messages that pass: what the server acknowledges (Credit.stored_bytes),
what it has when a device returns (UploadAccepted), how many bytes that had arrived go twice. One store serves all
servers. A model that is whole makes room for the next one, with other weights. Tells at the end how long a
restarted server that has the model takes until it runs all of a query. Exit status 1 where something is wrong.
"""

import argparse
import os
import pathlib
import random
import signal
import statistics
import sys
import tempfile

sys.dont_write_bytecode = True  # the source tree stays as it is
# pylint: disable=wrong-import-position
import crash_store
import grpc_wire
from crash_programs import CFG, WAIT_S, Agent, Model, Server, png
from crash_watch import FRAME_BYTES, Loss, Relay, Watch, judge_return

# A kill beside queries alone comes within so many bytes.
QUERY_BYTES = 20000


class Rounds:
    """All rounds, and what was found."""

    def __init__(self, options, work):
        self.options = options
        self.work = work
        self.rng = random.Random(options.seed)
        self.watch = Watch()
        self.relay = Relay(self.watch)
        self.server = Server(options, work)
        self.agent = self.model = None
        self.agents = self.models = self.judged = self.returns = 0
        self.queries = self.edge_queries = 0
        self.kills = {"server": 0, "agent": 0}
        self.most_twice = self.most_unstored = self.most_acknowledged = 0
        self.restarts_s = []

    # ---- What runs ----

    def start_server(self):
        self.server.start()
        self.relay.server_port = self.server.port

    def start_agent(self):
        self.agents += 1
        self.agent = Agent(self.options, self.work, self.relay.port, self.model, self.agents)

    def next_model(self):
        self.models += 1
        if self.model:
            self.model.weights.unlink()
        self.model = Model(self.options, self.work, self.options.seed * 1000 + self.models)
        self.start_agent()

    def accepted(self):
        return [upload for upload in self.watch.uploads if upload.accepted is not None]

    def is_whole(self):
        accepted = self.accepted()
        return bool(accepted) and accepted[-1].is_complete

    def await_return(self, count):
        """Until a device has come to a server `count` times in all."""
        self.watch.await_until(lambda: len(self.accepted()) >= count, WAIT_S, "the agent to come back")

    def await_whole(self):
        self.watch.await_until(self.is_whole, WAIT_S, "the model to be whole")

    # ---- What is checked ----

    def take_agent(self, is_killed):
        queries, edge_queries = self.agent.check(is_killed)
        self.queries += queries
        self.edge_queries += edge_queries

    def judge(self):
        """Returns since the last time."""
        with self.watch.changed:
            accepted = self.accepted()
            for before, after in zip(accepted[self.judged:], accepted[self.judged + 1:]):
                if after.manifest != before.manifest:
                    continue
                twice = judge_return(before, after)
                self.returns += 1
                self.most_twice = max(self.most_twice, twice)
                if twice > FRAME_BYTES:
                    raise Loss(f"{twice} bytes that had arrived go twice")
            for upload in accepted[self.judged:]:
                self.most_unstored = max(self.most_unstored, upload.most_unstored)
                self.most_acknowledged = max(self.most_acknowledged, upload.stored)
                if upload.rejected:
                    raise Loss(f"{upload.rejected} blobs were rejected")
            self.judged = max(len(accepted) - 1, 0)

    def await_answer(self):
        """Until a restarted server that has the model runs all of a query; keeps how long that took."""
        layers = len(self.accepted()[-1].sizes)

        def runs_all():
            return any(at > self.server.started_s and reached == layers for at, reached in self.watch.answers)
        self.watch.await_until(runs_all, WAIT_S, "an answer of the restarted server")
        first = next(at for at, reached in self.watch.answers if at > self.server.started_s and reached == layers)
        self.restarts_s.append(first - self.server.started_s)

    def model_on_server(self):
        model_id = grpc_wire.field(self.accepted()[-1].accepted, 1).decode()
        return grpc_wire.call(self.server.port, "/layerlift.v1.EdgeOffload/GetModel",
                              grpc_wire.text_field(1, model_id))

    def finish_model(self):
        self.await_whole()
        self.agent.stop()
        self.take_agent(False)
        crash_store.check_model(self.model_on_server(), self.model.weights.read_bytes(), grpc_wire.field,
                                grpc_wire.fields)
        self.judge()

    # ---- Rounds ----

    def kill_at(self, after_bytes, victims):
        dead = []

        def kill():
            for victim in victims:
                victim.kill()
            with self.watch.changed:
                dead.extend(victims)
                self.watch.changed.notify_all()
        self.watch.arm(after_bytes, kill)
        self.watch.await_until(lambda: dead, WAIT_S, f"{after_bytes} bytes to go to the server")
        for victim in victims:
            victim.process.wait()

    def run_round(self):
        was_whole = self.is_whole()
        names = self.rng.choices((("server",), ("agent",), ("server", "agent")), (5, 4, 1))[0]
        # Early moments more often: there are the beginnings of blobs, and what comes back meanwhile.
        limit = QUERY_BYTES if was_whole else self.model.weights.stat().st_size // 3
        self.kill_at(int(self.rng.random() ** 2 * limit), [getattr(self, name) for name in names])
        count = len(self.accepted()) + 1
        for name in names:
            self.kills[name] += 1
        if "server" in names:
            self.start_server()
        if "agent" in names:
            self.take_agent(True)
            self.start_agent()
        self.await_return(count)
        if was_whole and names == ("server",):
            self.await_answer()
        self.judge()

    def run(self):
        self.start_server()
        self.next_model()
        self.await_return(1)
        for number in range(1, self.options.rounds + 1):
            self.run_round()
            print(f"round {number}: {self.kills['server']} servers and {self.kills['agent']} agents killed, "
                  f"{self.models} models", file=sys.stderr)
            if self.is_whole() and self.rng.random() < 0.4:
                self.finish_model()
                self.next_model()
                self.await_return(len(self.accepted()) + 1)
        self.finish_model()
        # A last restart, with whole models alone.
        self.server.kill()
        self.server.process.wait()
        self.start_server()
        self.start_agent()
        self.await_whole()
        self.await_answer()
        creation_ns = grpc_wire.field(self.model_on_server(), 8)
        self.agent.stop()
        self.take_agent(False)
        self.server.stop()
        blobs = crash_store.check(self.work / "store")
        if not (self.returns and self.most_acknowledged and self.edge_queries and blobs):
            raise Loss(f"nothing was tried: {self.returns} returns, {self.most_acknowledged} bytes acknowledged, "
                       f"{self.edge_queries} queries on the edge, {blobs} blobs in the store")
        self.report(blobs, creation_ns)

    def report(self, blobs, creation_ns):
        print(f"{self.kills['server']} servers and {self.kills['agent']} agents killed, {self.models} models, "
              f"{len(self.accepted())} uploads of them, {self.returns} returns to a model")
        print(f"queries: {self.queries}, of them {self.edge_queries} on the edge; none lost, none wrong")
        print(f"bytes that had arrived and went twice: at most {self.most_twice} in a stream; arrived and not yet "
              f"stored: at most {self.most_unstored}; acknowledged as stored, and lost: none")
        print(f"blobs in the store: {blobs}, each with its digest")
        print(f"a restarted server runs all of a query after {statistics.median(self.restarts_s):.3f} s (median of "
              f"{len(self.restarts_s)}, at most {max(self.restarts_s):.3f}); creation takes "
              f"{creation_ns * 1e-9:.3f} s of that")

    def clean_up(self):
        self.watch.disarm()
        for one in (self.agent, self.server):
            if one and one.process and one.process.poll() is None:
                one.process.send_signal(signal.SIGKILL)
                one.process.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", required=True, type=lambda path: pathlib.Path(path).absolute())
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--agent", action="append", default=[])
    parser.add_argument("--server", action="append", default=[])
    parser.add_argument("--limit-mbps", type=float, default=40)
    parser.add_argument("--work", type=pathlib.Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = options.work or pathlib.Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        # Whatever a server takes when nobody says.
        os.environ.update(TMPDIR=str(work), HOME=str(work), XDG_CACHE_HOME=str(work), XDG_STATE_HOME=str(work))
        (work / "net.cfg").write_text(CFG, "ascii")
        (work / "image.png").write_bytes(png(options.seed))
        rounds = Rounds(options, work)
        try:
            rounds.run()
        except (Loss, OSError) as error:
            for name in ("server.log", "agent.log"):
                path = work / name
                lines = path.read_text("utf-8", "replace").splitlines(True) if path.exists() else []
                print(f"--- {name}\n" + "".join(lines[-20:]), file=sys.stderr)
            print(f"crash_rounds: seed {options.seed}: {error}", file=sys.stderr)
            return 1
        finally:
            rounds.clean_up()
    return 0


if __name__ == "__main__":
    sys.exit(main())
