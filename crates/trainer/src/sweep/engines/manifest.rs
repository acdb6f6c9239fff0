//! What do all manifests of Kubernetes have in common? They are YAML, and a container in them names an image and what it needs.

use serde_json::{Map, Value, json};

use crate::Error;
use crate::sweep::interchange::{failed, refused};

/// A user number without a name or rights.
const NOBODY: u32 = 10_001;

/// Where containers have something of their own.
const OWN: &[&str] = &["/config", "/katib", "/runs", "/tmp"];

/// Where a claim to a volume is mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// The claim, which is there.
    pub claim: String,
    /// Where containers see it.
    pub path: String,
    /// Whether they may not write to it.
    pub read_only: bool,
}

/// What a container needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needs {
    /// The image, with `firebox` in it.
    pub image: String,
    /// Processors, as Kubernetes writes them: `2`, `500m`.
    pub cpu: String,
    /// Memory, as Kubernetes writes it: `4Gi`.
    pub memory: String,
    /// Graphics cards.
    pub gpus: u32,
    /// What the cluster calls a graphics card.
    pub gpu_name: String,
    /// Volumes with data, say.
    pub mounts: Vec<Mount>,
    /// The secret with which the image is fetched.
    pub pull_secret: Option<String>,
    /// The namespace; that of whoever applies the manifest if there is none.
    pub namespace: Option<String>,
}

impl Needs {
    /// One processor, 2 GiB of memory, and nothing else.
    pub fn of(image: &str) -> Self {
        Self {
            image: image.to_owned(),
            cpu: "1".into(),
            memory: "2Gi".into(),
            gpus: 0,
            gpu_name: "nvidia.com/gpu".into(),
            mounts: Vec::new(),
            pull_secret: None,
            namespace: None,
        }
    }

    /// Whether Kubernetes would take it.
    ///
    /// # Errors
    /// [`Error::Interchange`] with what it would not.
    pub fn check(&self) -> Result<(), Error> {
        let odd = |what: &str, found: &str, way_out: &str| {
            Err(refused(format!("the manifest, {what}"), format!("`{found}` is none"), way_out))
        };
        if self.image.is_empty() || self.image.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return odd("image", &self.image, "write it as in --image registry.example.org/firebox:1.0");
        }
        for (what, found) in [("cpu", &self.cpu), ("memory", &self.memory)] {
            if !is_quantity(found) {
                return odd(what, found, "write quantities as Kubernetes does: 2 or 500m processors, 4Gi of memory");
            }
        }
        if let Some(mount) = self.mounts.iter().find(|mount| !is_name(&mount.claim)) {
            return odd("claim", &mount.claim, "a claim has a name of lower-case letters, digits, hyphens and points");
        }
        if let Some(mount) = self.mounts.iter().find(|mount| !mount.path.starts_with('/') || mount.path.contains(':')) {
            return odd("path", &mount.path, "a path within a container begins with / and has no : in it");
        }
        let own = |path: &str| OWN.iter().any(|own| path == *own || path.starts_with(&format!("{own}/")));
        let twice = |k: usize| self.mounts[..k].iter().any(|other| other.path == self.mounts[k].path);
        if let Some(k) = (0..self.mounts.len()).find(|&k| own(&self.mounts[k].path) || twice(k)) {
            let reason = format!("two things would lie at `{}`", self.mounts[k].path);
            return Err(refused("the manifest, path", reason, "mount each claim at a path of its own, such as /data"));
        }
        if let Some(name) = self.namespace.iter().chain(&self.pull_secret).find(|name| !is_name(name)) {
            return odd("name", name, "names have lower-case letters, digits, hyphens and points");
        }
        Ok(())
    }

    /// The resources of a container.
    pub(super) fn resources(&self) -> Value {
        let mut limits = Map::new();
        limits.insert("memory".into(), json!(self.memory));
        if self.gpus > 0 {
            limits.insert(self.gpu_name.clone(), json!(self.gpus.to_string()));
        }
        json!({ "requests": { "cpu": self.cpu, "memory": self.memory }, "limits": limits })
    }

    /// The description of a pod with one container, which may do as little as possible. `own` are further volumes with their
    /// mounts.
    pub(super) fn pod(&self, container: Value, own: &[(Value, Value)]) -> Value {
        let mut container = container;
        container["image"] = json!(self.image);
        // Nobody has a home, and the root is read-only.
        let home = json!({ "name": "HOME", "value": "/tmp" });
        let own_variables = container["env"].as_array().cloned().unwrap_or_default();
        container["env"] = own_variables.into_iter().chain([home]).collect();
        container["resources"] = self.resources();
        container["securityContext"] = json!({
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": { "drop": ["ALL"] },
        });
        let temporary = (json!({ "name": "tmp", "emptyDir": {} }), json!({ "name": "tmp", "mountPath": "/tmp" }));
        let mounted = self.mounts.iter().enumerate().map(|(place, mount)| {
            let name = format!("data-{place}");
            let claim = json!({ "claimName": mount.claim, "readOnly": mount.read_only });
            let at = json!({ "name": name, "mountPath": mount.path, "readOnly": mount.read_only });
            (json!({ "name": name, "persistentVolumeClaim": claim }), at)
        });
        let (volumes, mounts): (Vec<Value>, Vec<Value>) = own.iter().cloned().chain(mounted).chain([temporary]).unzip();
        container["volumeMounts"] = mounts.into();
        let mut pod = json!({
            "restartPolicy": "Never",
            "automountServiceAccountToken": false,
            // A worker that is asked to end saves what it does.
            "terminationGracePeriodSeconds": 120,
            "securityContext": {
                "runAsNonRoot": true,
                "runAsUser": NOBODY,
                "runAsGroup": NOBODY,
                "fsGroup": NOBODY,
                "seccompProfile": { "type": "RuntimeDefault" },
            },
            "containers": [container],
            "volumes": volumes,
        });
        if let Some(secret) = &self.pull_secret {
            pod["imagePullSecrets"] = json!([{ "name": secret }]);
        }
        pod
    }

    /// Name, namespace and labels of an object.
    pub(super) fn metadata(&self, name: &str, study: &str) -> Value {
        let labels = json!({ "app.kubernetes.io/name": "firebox", "app.kubernetes.io/instance": study });
        match &self.namespace {
            Some(namespace) => json!({ "name": name, "namespace": namespace, "labels": labels }),
            None => json!({ "name": name, "labels": labels }),
        }
    }
}

/// Whether a text is a quantity: a number with a unit behind it.
pub fn is_quantity(text: &str) -> bool {
    let digits = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let number = &text[..text.len() - digits.len()];
    let is_number =
        number.parse::<f64>().is_ok_and(|number| number > 0.0) && !number.starts_with('.') && !number.ends_with('.');
    is_number && ["", "m", "k", "M", "G", "T", "P", "Ki", "Mi", "Gi", "Ti", "Pi"].contains(&digits)
}

/// Whether a text can be the name of an object.
pub fn is_name(text: &str) -> bool {
    let inside = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let whole = text.len() <= 253 && text.chars().all(|c| inside(c) || c == '-' || c == '.');
    whole && text.starts_with(inside) && text.ends_with(inside) && !text.contains("..")
}

/// Documents as one file of YAML, under a comment that says what it is.
///
/// # Errors
/// [`Error::Interchange`], which would be our own mistake.
pub fn yaml(comment: &str, documents: &[Value]) -> Result<String, Error> {
    let mut text: String = comment.lines().flat_map(|line| ["# ", line, "\n"]).collect();
    for (place, document) in documents.iter().enumerate() {
        if place > 0 {
            text.push_str("---\n");
        }
        let written = serde_saphyr::to_string(document);
        text += &written
            .map_err(|error| failed("the manifest", format!("it cannot be written: {error}"), "please report this"))?;
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_and_names_are_those_of_kubernetes() {
        for (text, is) in [
            ("1", true),
            ("500m", true),
            ("1.5Gi", true),
            ("", false),
            ("Gi", false),
            ("0", false),
            ("-1", false),
            ("1 Gi", false),
            ("1e3", false),
            (".5", false),
            ("1.", false),
            ("1.2.3", false),
            ("1gb", false),
        ] {
            assert_eq!(is_quantity(text), is, "{text}");
        }
        for (text, is) in [
            ("a", true),
            ("a-b.c1", true),
            ("", false),
            ("A", false),
            ("-a", false),
            ("a.", false),
            ("a..b", false),
            ("a b", false),
        ] {
            assert_eq!(is_name(text), is, "{text}");
        }
    }

    #[test]
    fn what_kubernetes_would_not_take_is_refused_in_a_sentence() {
        let good = Needs::of("firebox:1");
        good.check().unwrap();
        let mount = |claim: &str, path: &str| Mount { claim: claim.into(), path: path.into(), read_only: true };
        for (needs, word) in [
            (Needs { image: "a b".into(), ..good.clone() }, "image"),
            (Needs { memory: "much".into(), ..good.clone() }, "`much` is none"),
            (Needs { mounts: vec![mount("Data", "/data")], ..good.clone() }, "claim"),
            (Needs { mounts: vec![mount("data", "data")], ..good.clone() }, "path"),
            (Needs { mounts: vec![mount("data", "/tmp/x")], ..good.clone() }, "two things would lie at `/tmp/x`"),
            (Needs { mounts: vec![mount("a", "/data"), mount("b", "/data")], ..good.clone() }, "two things"),
            (Needs { namespace: Some("x y".into()), ..good.clone() }, "`x y`"),
        ] {
            let error = needs.check().unwrap_err();
            assert!(error.to_string().contains(word), "{error}");
        }
    }

    #[test]
    fn texts_stay_texts() {
        let words = vec![
            "yes",
            "no",
            "on",
            "null",
            "~",
            "1",
            "1.5",
            "1e3",
            "0x1f",
            "0o17",
            "017",
            "12:30:00",
            "2024-01-01",
            "",
            " a ",
            "a: b",
            "#",
            "- a",
            "{a}",
            "*a",
            "&a",
            "!a",
            "%a",
            "@a",
            "`a`",
            "'",
            "\"",
            "a\nb\n",
            "\ttab",
            "é€😀",
            "a # b",
            "true",
            "NaN",
            ".inf",
            "=",
            "<<",
            "?",
        ];
        let text =
            yaml("Made by hand.\nTwice.", &[json!(words), json!({ "a": [], "b": {}, "c": [[1, 2.5, true, null]] })])
                .unwrap();
        assert!(text.starts_with("# Made by hand.\n# Twice.\n") && text.contains("\n---\n"), "{text}");
        if let Some(folder) = std::env::var_os("FIREBOX_MANIFESTS_OUT") {
            let place = std::path::Path::new(&folder).join("texts.yaml");
            std::fs::write(place, json!([words]).to_string() + "\n" + &text).unwrap();
        }
        for word in ["yes", "no", "on", "1", "1e3", "017", "12:30:00", "2024-01-01", "~", ".inf"] {
            let bare = format!("- {word}\n");
            let first = text.split("---\n").next().unwrap();
            assert!(!first.contains(&bare), "`{word}` stands bare, and would be read as something else");
        }
    }
}
