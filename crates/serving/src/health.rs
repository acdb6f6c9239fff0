//! Is a server well? For containers in which there is neither a shell nor curl: the program asks itself.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use crate::Error;

/// The longest first line of an answer that is read.
const STATUS_LINE: usize = 256;

/// Asks for `url`, plain `http://HOST[:PORT][/PATH]`, and waits for at most `patience`.
///
/// # Errors
/// [`Error::Unwell`] unless the answer comes in time and is 200.
pub fn ask(url: &str, patience: Duration) -> Result<(), Error> {
    let until = Instant::now() + patience;
    let unwell = |reason: String| Error::Unwell { url: url.escape_debug().to_string(), reason };
    let (host, path) = parts(url).ok_or_else(|| unwell("it is no address such as http://127.0.0.1:8080/".into()))?;
    let with_port = if has_port(host) { host.to_owned() } else { format!("{host}:80") };
    let status = status(&with_port, host, path, until).map_err(|error| unwell(error.to_string()))?;
    if status == "200" { Ok(()) } else { Err(unwell(format!("it answers {}", status.escape_debug()))) }
}

/// Host and path, if nothing in them could become another line of a request.
fn parts(url: &str) -> Option<(&str, &str)> {
    let rest = url.strip_prefix("http://").filter(|rest| rest.bytes().all(|byte| byte.is_ascii_graphic()))?;
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    (!host.is_empty()).then_some((host, if path.is_empty() { "/" } else { path }))
}

/// In `[::1]:80` only what stands behind the bracket can be a port.
fn has_port(host: &str) -> bool {
    host.rsplit(']').next().is_some_and(|behind| behind.contains(':'))
}

/// What stands behind the version in the first line of the answer.
fn status(address: &str, host: &str, path: &str, until: Instant) -> std::io::Result<String> {
    let late = || std::io::Error::new(std::io::ErrorKind::TimedOut, "it does not answer in time");
    let left = || until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()).ok_or_else(late);
    let mut last = std::io::Error::new(std::io::ErrorKind::NotFound, "its host has no address");
    for address in address.to_socket_addrs()? {
        let mut stream = match TcpStream::connect_timeout(&address, left()?) {
            Ok(stream) => stream,
            Err(error) => {
                last = error;
                continue;
            }
        };
        stream.set_write_timeout(Some(left()?))?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes())?;
        let mut line = Vec::new();
        while !line.contains(&b'\n') && line.len() < STATUS_LINE {
            let mut piece = [0; STATUS_LINE];
            stream.set_read_timeout(Some(left()?))?;
            match stream.read(&mut piece) {
                Ok(0) => break,
                Ok(length) => line.extend_from_slice(&piece[..length]),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Err(late()),
                Err(error) => return Err(error),
            }
        }
        let line = String::from_utf8_lossy(&line);
        let words = line.split_once(' ').filter(|(version, _)| version.starts_with("HTTP/1.")).map(|(_, rest)| rest);
        let status = words.and_then(|words| words.split_ascii_whitespace().next());
        return Ok(status.unwrap_or("nothing that is HTTP").to_owned());
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// A server that takes one connection and answers it with `text`.
    fn once(text: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            assert_ne!(stream.read(&mut [0; 1024]).unwrap(), 0);
            stream.write_all(text.as_bytes()).unwrap();
        });
        format!("http://{address}/v2/health/ready")
    }

    #[test]
    fn only_200_is_well() {
        let patience = Duration::from_secs(3);
        ask(&once("HTTP/1.1 200 OK\r\n\r\n"), patience).unwrap();
        for (answer, words) in [
            ("HTTP/1.1 503 Service Unavailable\r\n\r\n", "answers 503"),
            ("220 mail.example.org\r\n", "nothing that is HTTP"),
            ("", "nothing that is HTTP"),
        ] {
            let error = ask(&once(answer), patience).unwrap_err();
            assert!(error.to_string().contains(words), "{error}");
        }
    }

    #[test]
    fn a_server_that_says_nothing_is_not_waited_for() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let begun = Instant::now();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let error = ask(&url, Duration::from_millis(200)).unwrap_err();
        assert!(error.to_string().contains("in time") && begun.elapsed() < Duration::from_secs(2), "{error}");
    }

    #[test]
    fn addresses_of_other_kinds_are_refused() {
        for url in
            ["", "https://127.0.0.1/", "http://", "http:///x", "http://127.0.0.1/a b", "http://127.0.0.1/\r\nX: y"]
        {
            let error = ask(url, Duration::from_secs(1)).unwrap_err();
            assert!(error.to_string().contains("no address such as"), "{error}");
        }
        assert_eq!(parts("http://[::1]:80"), Some(("[::1]:80", "/")));
        assert!(has_port("[::1]:80") && has_port("a:80") && !has_port("[::1]") && !has_port("a"));
    }
}
