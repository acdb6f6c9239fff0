//! What does a server of a bundle take? It is started here, and asked without a pause.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use model_zoo::bundle::Bundle;
use serving::deploy::Measured;
use serving::{health, load};
use trainer::batch_size::peak_memory;
use trainer::exporters::measured::busy;
use trainer::exporters::onnx::proof::random_batch;

use crate::child::not_started;
use crate::failure::Failure;

/// What the model is called meanwhile.
const NAME: &str = "measured";
/// How long the server may take until it is ready.
const BEGINNING: Duration = Duration::from_secs(30);
/// How long one that failed may take to say why.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// So many lines of what it says are kept, and so much of each.
const LINES: usize = 16;
const LONGEST: u64 = 512;
/// Connections for each core: one is answered while another is on its way.
const CONNECTIONS: usize = 2;
const SEED: u64 = 0x5E47;

/// The server that lies beside this program, if one does.
pub fn beside_this_program() -> Option<PathBuf> {
    let name = format!("firebox-serve{}", std::env::consts::EXE_SUFFIX);
    std::env::current_exe().ok().map(|program| program.with_file_name(name)).filter(|program| program.is_file())
}

/// Starts `program` with the bundle in a folder on `device`, presses it for about `seconds`, and ends it.
pub fn measure(program: &Path, bundle: &Path, device: &str, seconds: f64) -> Result<Measured, Failure> {
    let signature = Bundle::read(bundle)?.manifest.signature;
    let body = load::body(&random_batch(&signature, 1, SEED), &signature);
    let mut command = Command::new(program);
    command.arg(bundle).args(["--address", "127.0.0.1:0", "--name", NAME, "--device", device, "--until-eof"]);
    // It ends once the other end of its input is closed, however this program ends.
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut server = Server::of(command.spawn().map_err(not_started)?);
    let until = Instant::now() + BEGINNING;
    let address = server.address(until)?;
    server.wait_until_ready(address, until)?;
    let (path, cores) =
        (format!("/v2/models/{NAME}/infer"), std::thread::available_parallelism().map_or(1, usize::from));
    let press = |seconds: f64| -> Result<_, Failure> {
        Ok(load::press(address, &path, &body, CONNECTIONS * cores, Duration::from_secs_f64(seconds))?)
    };
    // What is done once is done before it is measured.
    press((seconds / 10.0).min(1.0))?;
    let process = server.child.id().to_string();
    let (began, before) = (Instant::now(), busy(&process));
    let found = press(seconds)?;
    let wall = began.elapsed().as_secs_f64();
    let cpu_millis = before.zip(busy(&process)).map(|(before, after)| (1e3 * (after - before) / wall).round() as u64);
    let (Some(memory_bytes @ 1..), Some(cpu_millis @ 1..)) = (peak_memory(&process), cpu_millis) else {
        return Err(Failure::broken("the system does not tell what it took, or it was measured too shortly"));
    };
    Ok(Measured {
        memory_bytes,
        cpu_millis,
        // More digits than were measured would be read as such.
        p99_ms: (found.p99_ms * 1e3).round() / 1e3,
        requests_per_second: (found.requests_per_second * 10.0).round() / 10.0,
        of_server: true,
    })
}

/// A server that ends when it is no longer needed.
struct Server {
    child: Child,
    /// What it prints, line by line.
    lines: Receiver<String>,
    /// The same of what it says besides.
    said: Receiver<String>,
}

/// Reads lines in a thread, so that nobody waits for a program that prints nothing, nor it for a reader.
fn lines(from: Option<impl Read + Send + 'static>) -> Receiver<String> {
    let (tell, told) = sync_channel(LINES);
    if let Some(from) = from {
        std::thread::spawn(move || {
            let mut from = BufReader::new(from);
            let mut line = Vec::new();
            while from.by_ref().take(LONGEST).read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
                // What nobody reads is dropped.
                let _ = tell.try_send(String::from_utf8_lossy(&line).trim().to_owned());
                line.clear();
            }
        });
    }
    told
}

impl Server {
    fn of(mut child: Child) -> Self {
        let (lines, said) = (lines(child.stdout.take()), lines(child.stderr.take()));
        Self { child, lines, said }
    }

    /// Where it listens, as it says in its first line.
    fn address(&mut self, until: Instant) -> Result<SocketAddr, Failure> {
        let line = self.lines.recv_timeout(until.saturating_duration_since(Instant::now())).unwrap_or_default();
        let address = line.rsplit_once("http://").and_then(|(_, address)| address.parse().ok());
        address.ok_or_else(|| self.failed("it does not say where it listens"))
    }

    fn wait_until_ready(&mut self, address: SocketAddr, until: Instant) -> Result<(), Failure> {
        let url = format!("http://{address}/v2/health/ready");
        while let Err(error) = health::ask(&url, Duration::from_secs(3)) {
            if Instant::now() > until || !matches!(self.child.try_wait(), Ok(None)) {
                return Err(self.failed(&error.to_string()));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Why it cannot be measured, with what it said itself.
    fn failed(&mut self, reason: &str) -> Failure {
        let _ = self.child.kill();
        let until = Instant::now() + LAST_WORDS;
        let mut said = Vec::new();
        while let Ok(line) = self.said.recv_timeout(until.saturating_duration_since(Instant::now())) {
            said.push(line);
        }
        let said = said.join(" ");
        Failure::broken(if said.is_empty() { reason.to_owned() } else { format!("{reason} ({said})") })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
