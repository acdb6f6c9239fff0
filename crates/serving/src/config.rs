//! What is served, and how, as it is written in a file?

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::registry::{Role, Share};
use crate::{Error, Limits, Settings, Source, access, batching, http, traces};

/// A file in TOML; every key has a default, but for the models. Paths are meant from the file's folder on.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where to listen; 127.0.0.1:8080 if it is left out.
    address: Option<SocketAddr>,
    /// On what to compute; `cpu` if it is left out.
    device: Option<String>,
    /// Whether whoever asks may read bundles anew and take models out.
    #[serde(default)]
    control: bool,
    /// Whether each request is logged.
    #[serde(default)]
    log: bool,
    /// The bundles. Of several with one name the last is the version that answers, and the others answer those who name them.
    models: Vec<Model>,
    /// Where what was right is kept; without it nobody is asked.
    feedback: Option<PathBuf>,
    /// Where it is kept who asked for what.
    audit: Option<PathBuf>,
    /// The most bytes of weights at once; of models for which there is no room the one that was not asked for the longest goes, and
    /// is read again when it is asked for.
    memory: Option<u64>,
    access: Option<access::Settings>,
    tls: Option<http::tls::Files>,
    traces: Option<traces::Settings>,
    #[serde(default)]
    batching: Batching,
    #[serde(default)]
    limits: Allowed,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Model {
    name: Option<String>,
    /// A folder, or one file that was packed; the folder of a run stands for the bundle in it.
    bundle: PathBuf,
    /// It answers a share of the requests.
    canary: Option<Share>,
    /// It is asked what others are asked, and its answers are compared and not sent.
    shadow: Option<Share>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Batching {
    /// The most examples that are answered at once.
    rows: Option<usize>,
    /// How long a request waits for others, in milliseconds.
    window_ms: Option<f64>,
    /// How long a batch may take, in milliseconds.
    longest_ms: Option<f64>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Allowed {
    body: Option<usize>,
    bodies: Option<usize>,
    rows: Option<usize>,
    waiting: Option<usize>,
    connections: Option<u32>,
}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    /// [`Error::Config`] with what is wrong in it.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let wrong = |reason: String| Error::Config { path: path.to_owned(), reason };
        let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        let mut config: Self = toml::from_str(&text).map_err(|error| wrong(error.message().to_owned()))?;
        config.check().map_err(wrong)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        for model in &mut config.models {
            model.bundle = folder.join(&model.bundle);
        }
        let access = config.access.as_mut();
        let (keys, jwks) = access.map_or((None, None), |access| (access.keys.as_mut(), access.jwks.as_mut()));
        let tls = config.tls.as_mut().map(|tls| [Some(&mut tls.certificate), Some(&mut tls.key), tls.clients.as_mut()]);
        let others = [keys, jwks, config.feedback.as_mut(), config.audit.as_mut()];
        for path in others.into_iter().chain(tls.into_iter().flatten()).flatten() {
            *path = folder.join(&path);
        }
        Ok(config)
    }

    fn check(&self) -> Result<(), String> {
        if self.models.is_empty() {
            return Err("`models` names no model".into());
        }
        for model in &self.models {
            if model.canary.is_some() && model.shadow.is_some() {
                return Err(format!("{} is canary and shadow at once", model.bundle.display()));
            }
            for (key, share) in [("canary", &model.canary), ("shadow", &model.shadow)] {
                share.as_ref().map_or(Ok(()), Share::check).map_err(|reason| format!("{key} of a model: {reason}"))?;
            }
        }
        let twice = |of: fn(&Model) -> bool| {
            let names: Vec<_> = self.models.iter().filter(|model| of(model)).map(|model| &model.name).collect();
            names.iter().enumerate().any(|(place, name)| names[..place].contains(name))
        };
        if twice(|model| model.canary.is_some()) || twice(|model| model.shadow.is_some()) {
            return Err("one model has two canaries, or two shadows".into());
        }
        if let Some(access::Settings { keys, jwks, issuer, audience, rate }) = &self.access {
            if keys.is_none() && jwks.is_none() && rate.is_none() {
                return Err("`access` names neither `keys` nor `jwks`, and so everyone could ask".into());
            }
            if jwks.is_none() && (issuer.is_some() || audience.is_some()) {
                return Err("`access` says from whom tokens must be, and no `jwks` by which they are verified".into());
            }
        }
        if self.feedback.is_some() && self.feedback == self.audit {
            return Err("`feedback` and `audit` are one file".into());
        }
        self.traces.as_ref().map_or(Ok(()), traces::Settings::check)?;
        let window = self.batching.window_ms.unwrap_or(0.0);
        if !(0.0..=60_000.0).contains(&window) {
            return Err(format!("`batching.window_ms` is {window}, and must lie between 0 and 60000"));
        }
        let longest = self.batching.longest_ms.unwrap_or(1.0);
        if !(0.0..=600_000.0).contains(&longest) {
            return Err(format!("`batching.longest_ms` is {longest}, and must lie between 0 and 600000"));
        }
        let Allowed { body, bodies, rows, waiting, connections } = self.limits;
        let numbers = [
            ("batching.rows", self.batching.rows),
            ("limits.body", body),
            ("limits.bodies", bodies),
            ("limits.rows", rows),
            ("limits.waiting", waiting),
            ("limits.connections", connections.map(|number| number as usize)),
        ];
        match numbers.iter().find(|(_, number)| *number == Some(0)) {
            Some((key, _)) => Err(format!("`{key}` is 0, and nothing would be answered")),
            None => Ok(()),
        }
    }

    /// What is meant by it; whoever is told lines is `note`.
    pub fn settings(self, note: fn(&str)) -> Settings {
        let (usual, of_batching) = (Limits::default(), batching::Settings::default());
        let Allowed { body, bodies, rows, waiting, connections } = self.limits;
        Settings {
            models: self.models.into_iter().map(Model::source).collect(),
            address: self.address.unwrap_or(Settings::USUAL_ADDRESS),
            device: self.device.unwrap_or_else(|| "cpu".to_owned()),
            batching: batching::Settings {
                rows: self.batching.rows.unwrap_or(of_batching.rows),
                window: Duration::from_secs_f64(self.batching.window_ms.unwrap_or(0.0) / 1e3),
                longest: self
                    .batching
                    .longest_ms
                    .map_or(of_batching.longest, |millis| Duration::from_secs_f64(millis / 1e3)),
            },
            control: self.control,
            limits: Limits {
                body: body.unwrap_or(usual.body),
                bodies: bodies.unwrap_or(usual.bodies),
                rows: rows.unwrap_or(usual.rows),
                waiting: waiting.unwrap_or(usual.waiting),
                connections: connections.unwrap_or(usual.connections),
                ..usual
            },
            log: self.log,
            note,
            feedback: self.feedback,
            audit: self.audit,
            memory: self.memory,
            access: self.access.unwrap_or_default(),
            tls: self.tls,
            traces: self.traces,
        }
    }
}

impl Model {
    fn source(self) -> Source {
        let role = match (self.canary, self.shadow) {
            (Some(share), _) => Role::Canary(share),
            (None, Some(share)) => Role::Shadow(share),
            (None, None) => Role::Answers,
        };
        Source { name: self.name, bundle: self.bundle, role }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Settings, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("serve.toml");
        std::fs::write(&path, text).unwrap();
        let settings = Config::read(&path).map(|config| config.settings(|_| {}));
        settings.map_err(|error| {
            assert!(error.is_usage() && error.hint().is_some());
            error.to_string()
        })
    }

    #[test]
    fn what_is_written_is_meant_and_the_rest_is_as_usual() {
        let settings = read("[[models]]\nbundle = \"a/bundle\"").unwrap();
        assert_eq!((settings.address.port(), settings.device.as_str(), settings.control), (8080, "cpu", false));
        assert_eq!((settings.limits, settings.batching), (Limits::default(), batching::Settings::default()));
        assert!(settings.models[0].bundle.ends_with("a/bundle") && settings.models[0].bundle.is_absolute());
        let text = "address = \"0.0.0.0:1\"\ncontrol = true\nlog = true\n[[models]]\nname = \"x\"\nbundle = \"/b\"\n\
                    [batching]\nrows = 8\nwindow_ms = 1.5\n[limits]\nwaiting = 9\n";
        let settings = read(text).unwrap();
        assert_eq!((settings.batching.rows, settings.batching.window), (8, Duration::from_micros(1500)));
        assert_eq!((settings.limits.waiting, settings.limits.body), (9, Limits::default().body));
        assert!(settings.control && settings.log && settings.models[0].name.as_deref() == Some("x"));
    }

    #[test]
    fn roles_files_and_limits_are_meant_from_the_folder_of_the_file_on() {
        let text = "feedback = \"f.jsonl\"\nmemory = 9\n[[models]]\nbundle = \"a\"\n[[models]]\nbundle = \"b\"\n\
                    canary = { percent = 10, sticky = \"x-user\" }\n[[models]]\nbundle = \"c\"\nshadow = { percent = 50 }\n\
                    [access]\nkeys = \"keys.toml\"\nrate = { per_minute = 6 }\n[tls]\ncertificate = \"/c.pem\"\nkey = \"k.pem\"\n\
                    [traces]\nurl = \"http://127.0.0.1:4318/v1/traces\"\n";
        let settings = read(text).unwrap();
        let sticky = Some("x-user".to_owned());
        assert_eq!(settings.models[1].role, Role::Canary(Share { percent: 10.0, sticky }));
        assert_eq!(settings.models[2].role, Role::Shadow(Share { percent: 50.0, sticky: None }));
        assert!(settings.access.keys.unwrap().is_absolute() && settings.feedback.unwrap().ends_with("f.jsonl"));
        let tls = settings.tls.unwrap();
        assert!(tls.key.is_absolute() && tls.certificate == Path::new("/c.pem") && tls.clients.is_none());
        assert_eq!((settings.memory, settings.traces.unwrap().percent), (Some(9), 100.0));
        assert_eq!(settings.access.rate.unwrap().per_minute, 6);
    }

    #[test]
    fn what_cannot_be_meant_is_named() {
        for (text, words) in [
            ("", "models"),
            ("[[models]]\nbundle = \"b\"\ncanary = { percent = 101 }", "percent"),
            ("[[models]]\nbundle = \"b\"\nshadow = { percent = 1, sticky = \"a b\" }", "sticky"),
            ("[[models]]\nbundle = \"b\"\ncanary = { percent = 1 }\nshadow = { percent = 1 }", "at once"),
            ("[[models]]\nbundle = \"b\"\n[traces]\nurl = \"collector\"", "traces.url"),
            ("[[models]]\nbundle = \"b\"\n[access]", "neither"),
            ("[[models]]\nbundle = \"b\"\n[access]\nkeys = \"k\"\nissuer = \"us\"", "no `jwks`"),
            ("feedback = \"f\"\naudit = \"f\"\n[[models]]\nbundle = \"b\"", "one file"),
            (
                "[[models]]\nname = \"m\"\nbundle = \"b\"\ncanary = { percent = 1 }\n[[models]]\nname = \"m\"\nbundle = \"c\"\ncanary = { percent = 2 }",
                "two canaries",
            ),
            ("[[models]]\nbundle = \"b\"\n[batching]\nlongest_ms = -1", "longest_ms"),
            ("[[models]]\nbundle = \"b\"\n[access]\nuser = 1", "user"),
            ("models = []", "names no model"),
            ("[[models]]\nbundle = \"b\"\n[batching]\nwindow = 1", "window"),
            ("[[models]]\nbundle = \"b\"\n[batching]\nwindow_ms = -1", "between 0 and 60000"),
            ("[[models]]\nbundle = \"b\"\n[limits]\nbody = 0", "`limits.body` is 0"),
            ("address = \"here\"\n[[models]]\nbundle = \"b\"", "socket address"),
        ] {
            let error = read(text).err().unwrap();
            assert!(error.contains(words) && error.contains("serve.toml"), "{error}");
        }
        assert!(Config::read(Path::new("nowhere.toml")).unwrap_err().to_string().contains("nowhere.toml"));
    }
}
