//! How does a server run on one machine without containers? As a service of systemd, shut in as far as systemd can.

use data_loader::Entry;

use super::plan::bundle_files::BundleFile;
use super::plan::folder::Folder;
use super::plan::{Deployment, GRACE, PROGRAM};
use super::typed;
use crate::Error;

/// This member.
pub const ENTRY: Entry = Entry {
    name: "systemd",
    summary: "a hardened unit for one machine, with the memory that was measured as its limit",
};

/// Where the bundle lies on the machine.
const BUNDLES: &str = "/srv/models";

pub(super) fn write(deployment: &Deployment, folder: &mut Folder) -> Result<Vec<String>, Error> {
    let file = format!("{}.service", deployment.name);
    folder.text(&file, &unit(deployment))?;
    let name = &deployment.name;
    let program = deployment.binary.as_deref().map_or_else(|| "firebox-serve".to_owned(), typed);
    // Those that the manifest lists, and nothing that lies beside them.
    let install = |file: &BundleFile| {
        format!("install -D -m 0644 {} {BUNDLES}/{name}/{}", typed(&deployment.bundle.join(&file.name)), file.name)
    };
    let files: Vec<String> = deployment.files.iter().map(install).collect();
    Ok(vec![
        format!("install -D -m 0755 {program} {PROGRAM}"),
        files.join(" && "),
        format!("install -m 0644 {} /etc/systemd/system/", typed(&folder.place().join(&file))),
        format!("systemctl daemon-reload && systemctl enable --now {name}.service"),
    ])
}

fn unit(deployment: &Deployment) -> String {
    let resources = deployment.resources();
    // A driver talks to its device, and compiles programs for it.
    let device = if deployment.gpu {
        "SupplementaryGroups=render video\nPrivateDevices=no\nMemoryDenyWriteExecute=no"
    } else {
        "PrivateDevices=yes\nMemoryDenyWriteExecute=yes"
    };
    let arguments = deployment.arguments(&format!("{BUNDLES}/{}", deployment.name)).join(" ");
    format!(
        "\
# The model {name} in version {version}. The server lies at {PROGRAM}, the bundle in {BUNDLES}/{name}.
# `systemd-analyze security {name}.service` tells how far it is shut in, `journalctl -u {name}` what it says.

[Unit]
Description=The model {name} in version {version}, served by Firebox
Wants=network-online.target
After=network-online.target
# Five times in five minutes, and it stays down until somebody looks.
StartLimitIntervalSec=300
StartLimitBurst=5

[Service]
Type=exec
ExecStart={PROGRAM} {arguments}
Environment=RAYON_NUM_THREADS={threads}
Restart=on-failure
RestartSec=2
# It answers what it has begun, and then ends.
KillSignal=SIGTERM
TimeoutStopSec={GRACE}
# Resources are {origin}.
MemoryMax={memory}M
MemorySwapMax=0
LimitNOFILE=65536
TasksMax=1024

# A user that is there as long as the server is, and sees a system that it cannot change.
DynamicUser=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
{device}
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
PrivateUsers=yes
PrivateIPC=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
ProcSubset=pid
RestrictAddressFamilies=AF_INET AF_INET6
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
RemoveIPC=yes
KeyringMode=private
UMask=0077
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
",
        name = deployment.name,
        version = deployment.version,
        threads = resources.threads,
        memory = resources.memory_bytes >> 20,
        origin = resources.origin,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deploy::plan::tests::{bundle, full};

    #[test]
    fn a_unit_limits_memory_to_what_was_measured_and_says_from_what() {
        let folder = bundle("penguins");
        let text = unit(&full(folder.path()));
        for line in [
            "ExecStart=/usr/local/bin/firebox-serve /srv/models/penguins --address 0.0.0.0:8080 --max-body 4194304",
            "MemoryMax=528M",
            "Environment=RAYON_NUM_THREADS=2",
            "DynamicUser=yes",
            "ProtectSystem=strict",
            "NoNewPrivileges=yes",
            "PrivateDevices=yes",
            "Restart=on-failure",
            "TimeoutStopSec=35",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        assert!(text.contains("# Resources are measured: 180 MiB"));
        assert!(!text.contains('%'), "systemd would read it as a specifier");
    }

    #[test]
    fn a_graphics_card_stays_in_sight_where_one_is_needed() {
        let folder = bundle("penguins");
        let text = unit(&Deployment { gpu: true, measured: None, ..full(folder.path()) });
        assert!(text.contains("--address 0.0.0.0:8080 --max-body 4194304 --device wgpu\n"));
        assert!(text.contains("\nPrivateDevices=no\n") && text.contains("\nSupplementaryGroups=render video\n"));
        assert!(text.contains("# Resources are not measured: "));
    }
}
