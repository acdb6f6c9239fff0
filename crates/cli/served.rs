//! What does a server of a bundle take? It is started here, and asked without a pause.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use model_zoo::bundle::Bundle;
use serving::deploy::Measured;
use serving::{health, load};
use trainer::exporters::measured::busy;
use trainer::exporters::onnx::proof::random_batch;

use crate::child::not_started;
use crate::failure::Failure;

/// What the model is called meanwhile.
const NAME: &str = "measured";
/// How long the server may take until it is ready.
const BEGINNING: Duration = Duration::from_mins(1);
/// Connections for each core: one is answered while another is on its way.
const CONNECTIONS: usize = 2;
const SEED: u64 = 0x5E47;

/// The server that lies beside this program, if one does.
pub fn beside_this_program() -> Option<PathBuf> {
    let name = format!("firebox-serve{}", std::env::consts::EXE_SUFFIX);
    std::env::current_exe().ok().map(|program| program.with_file_name(name)).filter(|program| program.is_file())
}

/// Starts `program` with the bundle in a folder, presses it for about `seconds`, and ends it.
pub fn measure(program: &Path, bundle: &Path, seconds: f64) -> Result<Measured, Failure> {
    let signature = Bundle::read(bundle)?.manifest.signature;
    let body = load::body(&random_batch(&signature, 1, SEED), &signature);
    let mut command = Command::new(program);
    command.arg(bundle).args(["--address", "127.0.0.1:0", "--name", NAME]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut server = Server(command.spawn().map_err(not_started)?);
    let address = server.address()?;
    server.wait_until_ready(address)?;
    let (path, cores) =
        (format!("/v2/models/{NAME}/infer"), std::thread::available_parallelism().map_or(1, usize::from));
    let press = |seconds: f64| -> Result<_, Failure> {
        Ok(load::press(address, &path, &body, CONNECTIONS * cores, Duration::from_secs_f64(seconds))?)
    };
    // What is done once is done before it is measured.
    press((seconds / 10.0).min(1.0))?;
    let process = server.0.id().to_string();
    let (began, before) = (Instant::now(), busy(&process));
    let found = press(seconds)?;
    let wall = began.elapsed().as_secs_f64();
    let cpu_millis = before.zip(busy(&process)).map(|(before, after)| (1e3 * (after - before) / wall).round() as u64);
    Ok(Measured {
        memory_bytes: most_memory(&process).unwrap_or_default(),
        cpu_millis: cpu_millis.unwrap_or(1000),
        // More digits than were measured would be read as such.
        p99_ms: (found.p99_ms * 1e3).round() / 1e3,
        requests_per_second: (found.requests_per_second * 10.0).round() / 10.0,
        of_server: true,
    })
}

/// The most memory that a process ever held, in bytes, where the system says.
fn most_memory(process: &str) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let kilobytes = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(kilobytes.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? << 10)
}

/// A server that ends when it is no longer needed.
struct Server(Child);

impl Server {
    /// Where it listens, as it says in its first line.
    fn address(&mut self) -> Result<SocketAddr, Failure> {
        let mut line = String::new();
        if let Some(stdout) = self.0.stdout.as_mut() {
            // One that prints something else may print it for ever.
            let _ = BufReader::new(stdout.take(1024)).read_line(&mut line);
        }
        let address = line.trim().rsplit_once("http://").and_then(|(_, address)| address.parse().ok());
        address.ok_or_else(|| self.failed("it does not say where it listens"))
    }

    fn wait_until_ready(&mut self, address: SocketAddr) -> Result<(), Failure> {
        let until = Instant::now() + BEGINNING;
        let url = format!("http://{address}/v2/health/ready");
        while let Err(error) = health::ask(&url, Duration::from_secs(3)) {
            if Instant::now() > until || !matches!(self.0.try_wait(), Ok(None)) {
                return Err(self.failed(&error.to_string()));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Why it cannot be measured, with what it said itself.
    fn failed(&mut self, reason: &str) -> Failure {
        let _ = self.0.kill();
        let mut said = String::new();
        if let Some(stderr) = self.0.stderr.as_mut() {
            let _ = stderr.take(4096).read_to_string(&mut said);
        }
        let said = said.trim();
        Failure::broken(if said.is_empty() { reason.to_owned() } else { format!("{reason} ({said})") })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
