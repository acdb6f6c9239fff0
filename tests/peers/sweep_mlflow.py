"""Does MLflow know a study as our database has it?

    sweep_mlflow.py http://HOST:PORT EXPERIMENT STUDY.db

Reads with MLflow's own client; user and password come from its environment variables. `sweep_mlflow.sh` calls it.
"""

import json
import math
import sqlite3
import sys

import mlflow
from mlflow.tracking import MlflowClient

address, name, study = sys.argv[1:]
with sqlite3.connect(study) as on:
    rows = on.execute("SELECT number, state, settings, history, scores, began, ended, error FROM firebox_trials ORDER BY number").fetchall()
client = MlflowClient(tracking_uri=address)
experiment = client.get_experiment_by_name(name)
runs = []
token = None
while token != "":
    page = client.search_runs([experiment.experiment_id], max_results=100, page_token=token)
    runs += page
    token = page.token or ""
(parent,) = [run for run in runs if run.data.tags["firebox.trial"] == "study"]
trials = {int(run.data.tags["firebox.trial"]): run for run in runs if run is not parent}
begun = [row for row in rows if row[1] != "waiting"]
assert len(runs) == len(begun) + 1 == len(trials) + 1, (len(runs), len(begun))
STATUS = {"complete": "FINISHED", "pruned": "KILLED", "failed": "FAILED", "running": "RUNNING"}


def text(value):
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


points = 0
for number, state, settings, history, scores, began, ended, error in begun:
    run = trials[number]
    assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert run.info.status == STATUS[state], (number, run.info.status, state)
    assert run.data.tags.get("firebox.error") == error
    assert abs(run.info.start_time - began * 1000) <= 1
    assert ended is None or abs(run.info.end_time - ended * 1000) <= 1
    wanted = json.loads(settings)
    assert run.data.params.keys() == wanted.keys()
    for address_, value in wanted.items():
        found = run.data.params[address_]
        assert found == text(value) or math.isclose(float(found), value, rel_tol=1e-15), (number, address_, found, value)
    for metric, value in json.loads(scores).items():
        assert math.isclose(run.data.metrics[f"best/{metric}"], value, rel_tol=1e-12), (number, metric)
        assert len(client.get_metric_history(run.info.run_id, f"best/{metric}")) == 1
    evaluations = [(step, value) for step, value in json.loads(history) if value is not None]
    found = sorted((m.step, m.value) for m in client.get_metric_history(run.info.run_id, "accuracy"))
    assert found == sorted(evaluations), (number, found, evaluations)
    points += len(found)
best = max((json.loads(row[4])["accuracy"] for row in rows if row[1] == "complete"))
assert parent.data.metrics["best/accuracy"] == best
print(f"MLflow {mlflow.__version__}: {len(trials)} trials below one run, {points} evaluations, each there once")
