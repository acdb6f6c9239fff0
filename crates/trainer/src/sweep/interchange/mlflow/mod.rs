//! How is a study told to MLflow? As a run on a tracking server, with a run below it for each trial, by its REST API 2.0.
//!
//! Told again, nothing is there twice: runs are found by their tags, and what has not changed is not sent. A telling that is
//! interrupted is made good by the next one.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Told, View, counted, failed, refused};
use crate::Error;
use crate::sweep::web::{Server, basic};

pub mod runs;

use runs::{OF_STUDY, OF_TRIAL, Run, TOLD, WHOLE};

/// Where the interface begins.
const API: &str = "/api/2.0/mlflow";
/// So many runs are asked for at once.
const PAGE: u64 = 1000;
/// And so often, at most.
const PAGES: usize = 10_000;

/// The server at an address; of `MLFLOW_TRACKING_URI` if none is given. Its secrets come from the variables that MLflow's own
/// client reads: `MLFLOW_TRACKING_USERNAME` and `MLFLOW_TRACKING_PASSWORD`, or `MLFLOW_TRACKING_TOKEN`.
///
/// # Errors
/// [`Error::Interchange`].
pub fn server(address: Option<&str>, variable: impl Fn(&str) -> Option<String>) -> Result<Server, Error> {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty());
    let address = address.map(str::to_owned).or_else(|| set("MLFLOW_TRACKING_URI"));
    let Some(address) = address else {
        return Err(refused(
            "MLflow",
            "no server is named",
            "name one by --address http://HOST:5000, or by MLFLOW_TRACKING_URI",
        ));
    };
    let mut headers = Vec::new();
    if let (Some(user), Some(password)) = (set("MLFLOW_TRACKING_USERNAME"), set("MLFLOW_TRACKING_PASSWORD")) {
        headers.push(("authorization".to_owned(), basic(&user, &password)));
    } else if let Some(token) = set("MLFLOW_TRACKING_TOKEN") {
        headers.push(("authorization".to_owned(), format!("Bearer {token}")));
    }
    Server::new("MLflow", &address, &headers)
}

/// A run that is there.
#[derive(Clone, Debug, Default)]
struct There {
    id: String,
    told: String,
}

/// Tells a study to the experiment of a name, which is made if it is not there. `place` is where the study lies, without a
/// password, and tells it apart from others of its name.
///
/// # Errors
/// [`Error::Interchange`].
pub fn export(server: &Server, experiment: &str, place: &str, view: View<'_>, is_over: bool) -> Result<Told, Error> {
    let experiment = experiment_id(server, experiment)?;
    let identity = runs::identity(place, view.name);
    let there = runs_there(server, &experiment, &identity)?;
    let teller = Teller { server, experiment, identity };
    let parent = teller.tell(&runs::of_study(view, is_over), there.get(WHOLE), None)?.0;
    let (mut told, mut new) = (0, 0);
    let mut unbegun = 0;
    for trial in view.trials {
        let Some(run) = runs::of_trial(trial, view) else {
            unbegun += 1;
            continue;
        };
        told += 1;
        new += usize::from(teller.tell(&run, there.get(&run.trial), Some(&parent))?.1);
    }
    let mut remarks = vec![match new {
        0 => "Nothing was new to MLflow.".to_owned(),
        new => format!("{new} of {} were new to MLflow, or had changed.", counted(told, "trial")),
    }];
    if unbegun > 0 {
        remarks.push(format!("Not told: {} that nobody has begun.", counted(unbegun, "trial")));
    }
    Ok(Told { trials: told, remarks })
}

fn text_at(value: &Value, path: &str) -> Option<String> {
    value.pointer(path).and_then(Value::as_str).map(str::to_owned)
}

/// Letters of an address that mean themselves.
fn escaped(text: &str) -> String {
    let letter = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(letter).collect()
}

fn experiment_id(server: &Server, name: &str) -> Result<String, Error> {
    let asked = format!("{API}/experiments/get-by-name?experiment_name={}", escaped(name));
    for _ in 0..2 {
        let answer = server.ask("GET", &asked, None).map_err(|silent| server.silence(&silent.0))?;
        match answer.status {
            200 => {
                if text_at(&answer.body, "/experiment/lifecycle_stage").as_deref() == Some("deleted") {
                    let way_out = format!(
                        "restore it, or name another one: `mlflow experiments restore -x {}`",
                        text_at(&answer.body, "/experiment/experiment_id").unwrap_or_default()
                    );
                    return Err(refused(server.address(), format!("the experiment `{name}` was deleted"), way_out));
                }
                return text_at(&answer.body, "/experiment/experiment_id").ok_or_else(|| odd(server, "an experiment"));
            }
            404 if text_at(&answer.body, "/error_code").as_deref() == Some("RESOURCE_DOES_NOT_EXIST") => {}
            _ => return Err(server.refusal(&answer)),
        }
        let made = server.ask("POST", &format!("{API}/experiments/create"), Some(&json!({ "name": name })));
        let made = made.map_err(|silent| server.silence(&silent.0))?;
        match (made.status, text_at(&made.body, "/error_code").as_deref()) {
            (200, _) => return text_at(&made.body, "/experiment_id").ok_or_else(|| odd(server, "an experiment")),
            // Somebody else made it at the same moment.
            (_, Some("RESOURCE_ALREADY_EXISTS")) => {}
            _ => return Err(server.refusal(&made)),
        }
    }
    Err(odd(server, "an experiment"))
}

fn odd(server: &Server, what: &str) -> Error {
    failed(
        server.address(),
        format!("MLflow answers about {what} in a way that this program does not know"),
        "see whether the version of MLflow is between 2 and 3",
    )
}

/// The runs of the study by their trials.
fn runs_there(server: &Server, experiment: &str, identity: &str) -> Result<BTreeMap<String, There>, Error> {
    let mut found: BTreeMap<String, There> = BTreeMap::new();
    let mut page = String::new();
    for _ in 0..PAGES {
        let mut asked = json!({
            "experiment_ids": [experiment],
            "filter": format!("tags.`{OF_STUDY}` = '{identity}'"),
            "max_results": PAGE,
            "order_by": ["attributes.start_time ASC"],
        });
        if !page.is_empty() {
            asked["page_token"] = json!(page);
        }
        let answer = server.demand("POST", &format!("{API}/runs/search"), Some(&asked))?;
        for run in answer.get("runs").and_then(Value::as_array).into_iter().flatten() {
            let tags = run.pointer("/data/tags").and_then(Value::as_array);
            let tag = |name: &str| {
                let tag = tags?.iter().find(|tag| tag.get("key").and_then(Value::as_str) == Some(name))?;
                tag.get("value").and_then(Value::as_str).map(str::to_owned)
            };
            if let (Some(trial), Some(id)) = (tag(OF_TRIAL), text_at(run, "/info/run_id")) {
                found.entry(trial).or_insert(There { id, told: tag(TOLD).unwrap_or_default() });
            }
        }
        page = text_at(&answer, "/next_page_token").unwrap_or_default();
        if page.is_empty() {
            return Ok(found);
        }
    }
    Err(odd(server, "runs"))
}

struct Teller<'a> {
    server: &'a Server,
    experiment: String,
    identity: String,
}

impl Teller<'_> {
    /// The id of the run, and whether there was something to tell.
    fn tell(&self, run: &Run, there: Option<&There>, parent: Option<&str>) -> Result<(String, bool), Error> {
        let digest = runs::digest(run);
        let id = match there {
            Some(there) if there.told == digest => return Ok((there.id.clone(), false)),
            Some(there) => there.id.clone(),
            None => self.create(run, parent)?,
        };
        let post = |what: &str, sent: &Value| self.server.demand("POST", &format!("{API}/runs/{what}"), Some(sent));
        for batch in runs::batches(&id, run) {
            post("log-batch", &batch)?;
        }
        let mut update = json!({ "run_id": id, "status": run.status });
        if let Some(ended) = run.ended {
            update["end_time"] = json!(ended);
        }
        post("update", &update)?;
        // Last of all: what is interrupted before is told again.
        post("set-tag", &json!({ "run_id": id, "key": TOLD, "value": digest }))?;
        Ok((id, true))
    }

    fn create(&self, run: &Run, parent: Option<&str>) -> Result<String, Error> {
        let mut tags = vec![
            json!({ "key": OF_STUDY, "value": self.identity }),
            json!({ "key": OF_TRIAL, "value": run.trial }),
            json!({ "key": "mlflow.source.name", "value": concat!("firebox ", env!("CARGO_PKG_VERSION")) }),
        ];
        tags.extend(parent.map(|parent| json!({ "key": "mlflow.parentRunId", "value": parent })));
        let sent =
            json!({ "experiment_id": self.experiment, "run_name": run.name, "start_time": run.began, "tags": tags });
        let made = self.server.demand("POST", &format!("{API}/runs/create"), Some(&sent))?;
        text_at(&made, "/run/info/run_id").ok_or_else(|| odd(self.server, "a run"))
    }
}

#[cfg(test)]
mod tests;
