"""Does Optuna read a study as our database has it, and do we read Optuna's?

    sweep_optuna.py compare STUDY.db OPTUNA.db      every trial of the file against the rows of the study
    sweep_optuna.py dashboard OPTUNA.db             the JSON of `optuna-dashboard`, on a port of this machine
    sweep_optuna.py make OPTUNA.db                  a study of Optuna's own, for the import
    sweep_optuna.py brought OPTUNA.db STUDY.db FIRST.json SECOND.json    what came along, the second time nothing, against what Optuna says

`sweep_interchange.sh` calls it.
"""

import json
import math
import sqlite3
import subprocess
import sys
import time
import tomllib
import urllib.request
import warnings
from pathlib import Path

import optuna
from optuna.trial import TrialState

optuna.logging.set_verbosity(optuna.logging.ERROR)
warnings.filterwarnings("ignore")
STATES = {
    "complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL,
    "running": TrialState.RUNNING, "waiting": TrialState.WAITING,
}


def rows(path):
    """Our own rows: sweep and trials."""
    with sqlite3.connect(path) as on:
        (config,) = on.execute("SELECT config FROM firebox_studies").fetchone()
        asked = "SELECT number, state, settings, history, scores, began, ended, error, origin FROM firebox_trials ORDER BY number"
        return tomllib.loads(config)["sweep"], on.execute(asked).fetchall()


def only(path):
    storage = f"sqlite:///{path}"
    (name,) = optuna.get_all_study_names(storage)
    return optuna.load_study(study_name=name, storage=storage)


def expected_parameters(space, settings):
    """Names and values, lists being two of them."""
    found = {}
    for address, value in settings.items():
        values = space.get(address)
        if not isinstance(values, dict):
            continue
        if "each" in values:
            found[f"{address}.count"] = len(value)
            if value:
                found[f"{address}.each"] = value[0]
        else:
            found[address] = value
    return found


def check_distribution(name, distribution, space):
    address, _, part = name.rpartition(".")
    values = space[name] if name in space else space[address][part]
    if "choices" in values:
        assert isinstance(distribution, optuna.distributions.CategoricalDistribution), name
        assert list(distribution.choices) == values["choices"], name
        return
    whole = all(isinstance(values[key], int) for key in ("low", "high", "step") if key in values)
    kind = optuna.distributions.IntDistribution if whole else optuna.distributions.FloatDistribution
    assert isinstance(distribution, kind), (name, distribution)
    assert distribution.low == values["low"] and distribution.log == values.get("log", False), (name, distribution)
    assert distribution.step == values.get("step", 1 if whole else None), (name, distribution)
    # The last step may fall short of the upper bound.
    short = values["high"] - distribution.high
    assert 0 <= short < (distribution.step or 1) if distribution.step else short == 0, (name, distribution)


def same(a, b):
    return a == b or (isinstance(a, float) and isinstance(b, float) and (abs(a - b) < 1e-12 or (a != a and b != b)))


def compare(ours, theirs):
    sweep, trials = rows(ours)
    study = only(theirs)
    objectives = [o if isinstance(o, str) else o["metric"] for o in sweep["objectives"]]
    assert study.metric_names == objectives, study.metric_names
    found = study.get_trials(deepcopy=False)
    assert [t.number for t in found] == [row[0] for row in trials]
    for trial, (number, state, settings, history, scores, began, ended, error, origin) in zip(found, trials):
        settings, history, scores = json.loads(settings or "{}"), json.loads(history), json.loads(scores)
        assert trial.state == STATES[state], (number, trial.state, state)
        assert trial.user_attrs["origin"] == origin and trial.user_attrs.get("error") == error
        assert trial.user_attrs.get("settings", {}) == settings
        for name, value in scores.items():
            assert same(trial.user_attrs.get(f"scores.{name}"), value), (number, name)
        if trial.state == TrialState.WAITING:
            continue
        wanted = expected_parameters(sweep["space"], settings)
        assert trial.params.keys() == wanted.keys(), (number, trial.params, wanted)
        for name, value in wanted.items():
            assert same(trial.params[name], value), (number, name, trial.params[name], value)
            check_distribution(name, trial.distributions[name], sweep["space"])
        evaluations = {step: math.nan if value is None else value for step, value in history}
        assert trial.intermediate_values.keys() == evaluations.keys()
        assert all(same(trial.intermediate_values[step], value) for step, value in evaluations.items())
        if trial.state == TrialState.COMPLETE:
            assert trial.values == [scores[name] for name in objectives], (number, trial.values)
        assert abs(trial.datetime_start.timestamp() - began) < 1e-5
        if ended is not None:
            assert abs(trial.datetime_complete.timestamp() - ended) < 1e-5
        trial._validate()
    # What a user does next: the best, a table, importances, more trials.
    best = study.best_trials
    assert best, "nobody is best"
    assert len(study.trials_dataframe()) == len(found)
    if len(objectives) == 1:
        assert len(optuna.importance.get_param_importances(study)) > 0
    # Copied trial by trial, which Optuna checks.
    other = optuna.create_study(directions=study.directions)
    other.add_trials([t for t in study.get_trials() if t.state.is_finished()])
    study.sampler = optuna.samplers.TPESampler(seed=1)
    distributions = {name: d for t in found for name, d in t.distributions.items()}
    waiting = {t.number: t.system_attrs["fixed_params"] for t in found if t.state == TrialState.WAITING}
    for _ in range(len(waiting)):
        # Whoever waits comes first, with the settings that it waits with.
        asked = study.ask(distributions)
        assert all(same(asked.params[name], value) for name, value in waiting.pop(asked.number).items())
    asked = study.ask(distributions)
    assert asked.number == len(found) and asked.params
    print(f"Optuna {optuna.__version__}: {len(found)} trials of `{study.study_name}` are as they were, {len(best)} best")


def free_port():
    import socket
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def dashboard(path):
    port = free_port()
    program = Path(sys.executable).parent / "optuna-dashboard"
    server = subprocess.Popen(
        [program, f"sqlite:///{path}", "--host", "127.0.0.1", "--port", str(port)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    try:
        def get(what):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/{what}", timeout=20) as answer:
                return json.load(answer)
        for _ in range(120):
            try:
                studies = get("studies")
                break
            except OSError:
                time.sleep(0.5)
        (summary,) = studies["study_summaries"]
        detail = get(f"studies/{summary['study_id']}")
        study = only(path)
        assert summary["study_name"] == study.study_name
        assert len(detail["trials"]) == len(study.trials), len(detail["trials"])
        assert {t["state"] for t in detail["trials"]} == {_word(t.state) for t in study.trials}
        assert all(len(t["params"]) == len(study.trials[t["number"]].params) for t in detail["trials"])
        print(f"optuna-dashboard shows {len(detail['trials'])} trials of `{summary['study_name']}`")
    finally:
        server.terminate()
        server.wait(20)


def _word(state):
    return {TrialState.COMPLETE: "Complete", TrialState.PRUNED: "Pruned", TrialState.FAIL: "Fail",
            TrialState.RUNNING: "Running", TrialState.WAITING: "Waiting"}[state]


def make(path):
    study = optuna.create_study(
        storage=f"sqlite:///{path}", study_name="theirs", direction="maximize",
        sampler=optuna.samplers.RandomSampler(seed=3), pruner=optuna.pruners.NopPruner(),
    )

    def objective(trial):
        trial.suggest_float("learning_rate", 1e-5, 1e-1, log=True)
        trial.suggest_int("hidden.each", 8, 32, log=True)
        trial.suggest_int("hidden.count", 1, 3)
        trial.suggest_float("dropout", 0.0, 0.5, step=0.1)
        trial.suggest_categorical("train.batch_size", [16, 32, 64])
        trial.suggest_float("momentum", 0.0, 0.9)
        value = trial.params["learning_rate"] ** 0.1
        for step in range(1, 4):
            trial.report(value * step / 3, step * 10)
        if trial.number % 7 == 3:
            raise optuna.TrialPruned()
        if trial.number % 7 == 5:
            raise ValueError("on purpose")
        return value

    study.optimize(objective, n_trials=40, catch=(ValueError,))
    study.enqueue_trial({"learning_rate": 1e-3})


def brought(path, ours, first, second):
    study, said, again = only(path), *(json.loads(Path(said).read_text()) for said in (first, second))

    def count(said):
        """The trials are told one by one, or counted."""
        return said["trials"] if isinstance(said["trials"], int) else len(said["trials"])

    with sqlite3.connect(ours) as on:
        asked = "SELECT origin, state, settings, history, scores, began FROM firebox_trials WHERE origin LIKE 'optuna:%'"
        found = on.execute(asked).fetchall()
    # In our space learning rates begin at 1e-4.
    wanted = {t.number: t for t in study.trials if t.state.is_finished() and t.params["learning_rate"] >= 1e-4}
    assert 5 < len(wanted) < 40 and count(said) == len(wanted) == len(found), (said, len(wanted), len(found))
    assert count(again) == 0, again
    assert {row[0] for row in found} == {f"optuna:theirs#{number}" for number in wanted}
    for origin, state, settings, history, scores, began in found:
        theirs = wanted[int(origin.rpartition("#")[2])]
        assert STATES[state] == theirs.state
        settings, p = json.loads(settings), theirs.params
        assert settings["optimizer.adamw.learning_rate"] == p["learning_rate"]
        assert settings["model.mlp.hidden"] == [p["hidden.each"]] * p["hidden.count"]
        assert settings["model.mlp.dropout"] == p["dropout"] and settings["train.batch_size"] == p["train.batch_size"]
        if theirs.state == TrialState.COMPLETE:
            assert json.loads(scores)["accuracy"] == theirs.value
        assert json.loads(history) == [[step, value] for step, value in sorted(theirs.intermediate_values.items())]
        assert abs(began - theirs.datetime_start.timestamp()) < 1e-3
    remarks = " ".join(said["remarks"])
    for words in ("`momentum` has no counterpart", "`learning_rate` is taken for", "lies outside", "waited or ran"):
        assert words in remarks, (words, remarks)
    print(f"{len(wanted)} of {len(study.trials)} trials of Optuna's came along as they were")


{"compare": compare, "dashboard": dashboard, "make": make, "brought": brought}[sys.argv[1]](*sys.argv[2:])
