//! How is an image of the server and a bundle built with Docker? In two stages: the program is built from source, and
//! then lies with the bundle in an image without a shell.

use data_loader::Entry;
use serde_json::{Value, json};

use super::plan::folder::Folder;
use super::plan::{Deployment, NOBODY, PROGRAM, READY, SERVER};
use super::{oci, typed};
use crate::Error;

/// This member.
pub const ENTRY: Entry = Entry {
    name: "docker",
    summary: "a Dockerfile that builds the server from source, beside the bundle that it copies",
};

/// The compiler that the workspace asks for, on the system whose libraries the second stage has.
const BUILD_IMAGE: &str = concat!("rust:", env!("CARGO_PKG_RUST_VERSION"), "-bookworm");
/// Has glibc, libgcc and a user without rights, and no shell.
const RUN_IMAGE: &str = "gcr.io/distroless/cc-debian12:nonroot";

pub(super) fn write(deployment: &Deployment, folder: &mut Folder) -> Result<Vec<String>, Error> {
    deployment.refuse_gpu("an image")?;
    folder.text("Dockerfile", &dockerfile(deployment))?;
    folder.text(".dockerignore", DOCKERIGNORE)?;
    folder.bundle(deployment, deployment.model_folder().trim_start_matches('/'))?;
    let place = typed(folder.place());
    Ok(vec![
        format!("docker build --build-context firebox=SOURCE --tag {} {place}", deployment.image),
        format!("docker run --rm --read-only --cap-drop ALL --publish {0}:{0} {1}", deployment.port, deployment.image),
    ])
}

/// What is sent to the engine: the bundle, and nothing that somebody lays beside it.
const DOCKERIGNORE: &str = "\
# All but the bundle.
*
!models
";

fn dockerfile(deployment: &Deployment) -> String {
    let labels: String = oci::labels(deployment)
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("      {key}={value}"))
        .collect::<Vec<_>>()
        .join(" \\\n");
    let model = deployment.model_folder();
    let exec = |words: &[String]| json!(words).to_string();
    let health = exec(&[SERVER.into(), "--health".into(), format!("http://127.0.0.1:{}{READY}", deployment.port)]);
    let entry: Value = json!([SERVER]);
    format!(
        r"# syntax=docker/dockerfile:1

# The model {name} in version {version}, served by Firebox.
#
#     docker build --build-context firebox=SOURCE --tag {image} .
#
# SOURCE is a folder or an address of git with the source of Firebox. Images can be pinned by their digests:
# --build-arg RUN_IMAGE=...@sha256:...
ARG BUILD_IMAGE={BUILD_IMAGE}
ARG RUN_IMAGE={RUN_IMAGE}

FROM ${{BUILD_IMAGE}} AS build
WORKDIR /source
# hadolint ignore=DL3022
COPY --from=firebox . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/source/target \
    cargo build --profile serve --locked --package serving --bin {SERVER} \
    && install -D -m 0555 target/serve/{SERVER} /built/{SERVER}

FROM ${{RUN_IMAGE}}
LABEL {labels}
COPY --from=build --chmod=0555 /built/{SERVER} {PROGRAM}
# Behind the program, so that a new bundle makes one new layer.
COPY {model_within} {model}
# By numbers, so that Kubernetes can see that it is not root.
USER {NOBODY}:{NOBODY}
EXPOSE {port}
STOPSIGNAL SIGTERM
# There is neither a shell nor curl: the server asks itself.
HEALTHCHECK --interval=10s --timeout=3s --start-period=300s --retries=3 CMD {health}
ENTRYPOINT {entry}
CMD {arguments}
",
        name = deployment.name,
        version = deployment.version,
        image = deployment.image,
        labels = labels.trim_start(),
        model_within = model.trim_start_matches('/'),
        port = deployment.port,
        arguments = exec(&deployment.arguments(&model)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deploy::plan::tests::{bundle, full};

    #[test]
    fn a_dockerfile_copies_the_bundle_beside_a_program_without_rights() {
        let (root, bundle) = (tempfile::tempdir().unwrap(), bundle("penguins"));
        let place = root.path().join("docker");
        let package = crate::deploy::write("docker", &full(bundle.path()), &place).unwrap();
        let names: Vec<&str> = package.files.iter().map(|(name, _)| name.as_str()).collect();
        let model =
            ["manifest.json", "pipeline.json", "weights.safetensors"].map(|file| format!("models/penguins/{file}"));
        assert_eq!(names, [".dockerignore", "Dockerfile", &model[0], &model[1], &model[2]]);
        let text = std::fs::read_to_string(place.join("Dockerfile")).unwrap();
        for line in [
            "FROM ${BUILD_IMAGE} AS build",
            "ARG BUILD_IMAGE=rust:1.95-bookworm",
            "USER 65532:65532",
            "EXPOSE 8080",
            "STOPSIGNAL SIGTERM",
            "COPY models/penguins /models/penguins",
            r#"ENTRYPOINT ["firebox-serve"]"#,
            r#"CMD ["/models/penguins","--address","0.0.0.0:8080","--max-body","4194304"]"#,
            r#"      org.opencontainers.image.description="The model penguins, served by Firebox""#,
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        assert!(text.contains(r#"CMD ["firebox-serve","--health","http://127.0.0.1:8080/v2/health/ready"]"#));
        assert!(text.lines().any(|line| line.starts_with("LABEL org.opencontainers.image.title=\"penguins\" \\")));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(place.join("models/penguins/manifest.json")).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o644, "another user serves it");
        }
    }

    #[test]
    fn images_for_graphics_cards_are_refused() {
        let (root, bundle) = (tempfile::tempdir().unwrap(), bundle("penguins"));
        let deployment = Deployment { gpu: true, ..full(bundle.path()) };
        let error = crate::deploy::write("docker", &deployment, &root.path().join("docker")).unwrap_err();
        assert!(error.to_string().contains("Vulkan") && error.hint().is_some());
    }
}
