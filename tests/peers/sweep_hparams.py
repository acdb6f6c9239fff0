"""Does TensorBoard's HParams dashboard show a study as our database has it?

    sweep_hparams.py STUDY.db FOLDER

Asks the dashboard's own backend, through TensorBoard's web application, without a port. `sweep_interchange.sh` calls it.
"""

import json
import math
import sqlite3
import sys
import tomllib
from importlib.metadata import version

from tensorboard import default
from tensorboard.backend import application
from tensorboard.backend.event_processing import data_ingester
from tensorboard.program import TensorBoard
from werkzeug.test import Client

with sqlite3.connect(sys.argv[1]) as on:
    (config,) = on.execute("SELECT config FROM firebox_studies").fetchone()
    rows = on.execute("SELECT number, state, settings, history, scores, began, ended FROM firebox_trials ORDER BY number").fetchall()
sweep = tomllib.loads(config)["sweep"]
objectives = [o if isinstance(o, str) else o["metric"] for o in sweep["objectives"]]
begun = [row for row in rows if row[1] != "waiting"]

board = TensorBoard(default.get_plugins())
board.configure(argv=["", "--logdir", sys.argv[2], "--load_fast", "false", "--reload_interval", "0"])
ingester = data_ingester.LocalDataIngester(board.flags)
ingester.start()
app = application.TensorBoardWSGIApp(
    board.flags, board.plugin_loaders, ingester.data_provider, board.assets_zip_provider, ingester.deprecated_multiplexer
)
client = Client(app)


def ask(what, sent):
    answer = client.post(f"/data/plugin/hparams/{what}", data=json.dumps(sent), content_type="application/json")
    assert answer.status_code == 200, (what, answer.status_code, answer.get_data(as_text=True)[:400])
    return json.loads(answer.get_data(as_text=True))


experiment = ask("experiment", {"experimentName": "", "includeMetrics": True})
names = {info["name"] for info in experiment["hparamInfos"]}
wanted = set()
for address, values in sweep["space"].items():
    if isinstance(values, dict):
        wanted |= {f"{address}.each", f"{address}.count"} if "each" in values else {address}
assert names == wanted, names ^ wanted
assert [info["name"]["tag"] for info in experiment["metricInfos"]] == [f"best/{name}" for name in objectives]

columns = [{"metric": {"tag": f"best/{name}", "group": ""}} for name in objectives]
columns += [{"hparam": name} for name in sorted(names)]
states = ["STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_RUNNING", "STATUS_UNKNOWN"]
answer = ask("session_groups", {
    "experimentName": "", "allowedStatuses": states, "colParams": columns, "startIndex": 0, "sliceSize": 1000,
})
groups = {int(group["name"]): group for group in answer["sessionGroups"]}
assert set(groups) == {row[0] for row in begun}, set(groups)
STATUS = {"complete": 1, "pruned": 1, "failed": 2, "running": 3}
for number, state, settings, history, scores, began, ended in begun:
    group = groups[number]
    (session,) = group["sessions"]
    assert session["status"] in (STATUS[state], states[(STATUS[state] - 1)]), (number, state, session["status"])
    assert abs(session["startTimeSecs"] - began) < 1e-3
    assert ended is None or abs(session["endTimeSecs"] - ended) < 1e-3
    for address, value in json.loads(settings).items():
        values = sweep["space"].get(address)
        if isinstance(values, dict) and "each" in values:
            assert group["hparams"][f"{address}.count"] == len(value)
            assert not value or group["hparams"][f"{address}.each"] == value[0]
        elif isinstance(values, dict):
            assert group["hparams"][address] == value, (number, address, group["hparams"][address], value)
    shown = {value["name"]["tag"]: value["value"] for value in group.get("metricValues", [])}
    for name in objectives:
        score = json.loads(scores).get(name)
        if score is not None:
            assert math.isclose(shown[f"best/{name}"], score, rel_tol=1e-6), (number, name, shown, score)
    # The scalars of every evaluation, as the dashboard for scalars has them.
    evaluations = [(step, value) for step, value in json.loads(history) if value is not None]
    if evaluations:
        found = client.get("/data/plugin/scalars/scalars", query_string={"run": f"{number:05}", "tag": objectives[0]})
        found = [(step, value) for _, step, value in json.loads(found.get_data(as_text=True))]
        assert [step for step, _ in found] == [step for step, _ in evaluations]
        assert all(math.isclose(a[1], b[1], rel_tol=1e-6) for a, b in zip(found, evaluations)), (number, found, evaluations)
print(f"TensorBoard {version('tensorboard')}: {len(groups)} trials with {len(names)} settings are shown as they are")
