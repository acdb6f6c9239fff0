//! Which token may a card ask for? That of the host that it names, and no other secret of its reader.
//!
//! A card comes from anybody. If it could name the environment variable, it could send any of them to any server; so the name
//! follows from the host: `FIREBOX_TOKEN_API_EXAMPLE_COM` is the token of `api.example.com`. Two hosts never have one name.

use ureq::http::Uri;

use super::{Context, Secret};
use crate::error::Error;

/// The name of the environment variable with the token of the server at `address`: a point becomes `_`, and a hyphen `__`.
pub(crate) fn variable(address: &Uri) -> Option<String> {
    let host = address.host()?.to_ascii_uppercase();
    let labels: Vec<&str> = host.split('.').collect();
    let is_label = |label: &&str| {
        let ends = |c: char| c.is_ascii_alphanumeric();
        label.starts_with(ends) && label.ends_with(ends) && label.chars().all(|c| ends(c) || c == '-')
    };
    // A host whose last part is a number could read like another one with a port.
    let number = |label: &&str| label.chars().all(|c| c.is_ascii_digit());
    if !labels.iter().all(is_label) || (labels.last().is_some_and(number) && !is_ipv4(&host)) {
        return None;
    }
    let usual = if address.scheme_str() == Some("https") { 443 } else { 80 };
    let port = address.port_u16().filter(|port| *port != usual).map_or(String::new(), |port| format!("_{port}"));
    Some(format!("FIREBOX_TOKEN_{}{port}", host.replace('-', "__").replace('.', "_")))
}

fn is_ipv4(host: &str) -> bool {
    host.parse::<std::net::Ipv4Addr>().is_ok()
}

/// Whether nobody but this machine hears what is sent to `address`.
fn is_private(address: &Uri) -> bool {
    let host = address.host().unwrap_or_default();
    let own = host.eq_ignore_ascii_case("localhost")
        || host.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback());
    own || address.scheme_str() == Some("https")
}

/// The token for the server at `address`, if the setting `key` asks for one.
pub(crate) fn token(key: &str, asked: bool, address: &Uri, context: &Context) -> Result<Option<Secret>, Error> {
    if !asked {
        return Ok(None);
    }
    let host = address.host().unwrap_or_default();
    let wrong = |message: String, hint: String| Err(Error::Setting { key: key.to_owned(), message, hint });
    if !is_private(address) {
        return wrong(
            format!("asks for a token to be sent to {host} over http, where anybody on the way could read it"),
            "Write the address with https.".into(),
        );
    }
    let Some(name) = variable(address) else {
        return wrong(
            format!("asks for a token of {host}, which is no name that a token can belong to"),
            "The host must be a name of letters, digits and hyphens between points, or an IPv4 address.".into(),
        );
    };
    match context.variable(&name) {
        Some(value) => Ok(Some(Secret::new(&value))),
        None => wrong(
            format!("asks for the token of {host}, and the environment variable {name} is not set"),
            format!(
                "Set it to the token, as in `{name}=... firebox data fetch CARD`; a card gets the token of the host that it names and no other."
            ),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(address: &str) -> Option<String> {
        variable(&address.parse().unwrap())
    }

    #[test]
    fn two_hosts_never_have_one_variable() {
        let hosts = [
            ("https://api.example.com/x?y", "FIREBOX_TOKEN_API_EXAMPLE_COM"),
            ("https://API.example.com:443/", "FIREBOX_TOKEN_API_EXAMPLE_COM"),
            ("https://api-example.com/", "FIREBOX_TOKEN_API__EXAMPLE_COM"),
            ("https://api--example.com/", "FIREBOX_TOKEN_API____EXAMPLE_COM"),
            ("https://api.example.com:8443/", "FIREBOX_TOKEN_API_EXAMPLE_COM_8443"),
            ("http://127.0.0.1:80/", "FIREBOX_TOKEN_127_0_0_1"),
            ("http://127.0.0.1:8080/", "FIREBOX_TOKEN_127_0_0_1_8080"),
            ("http://localhost:8080/", "FIREBOX_TOKEN_LOCALHOST_8080"),
        ];
        for (address, name) in hosts {
            assert_eq!(of(address).as_deref(), Some(name), "{address}");
        }
        // What could read like another host has none.
        for address in [
            "https://api.example.com.8443/",
            "https://127.0.0.1.8080/",
            "https://api_example.com/",
            "https://api..example.com/",
            "https://api.-example.com/",
            "https://api-.example.com/",
            "https://api.example.com./",
            "http://[::1]/",
        ] {
            // Some of them are no addresses at all.
            assert!(address.parse::<Uri>().ok().is_none_or(|address| variable(&address).is_none()), "{address}");
        }
    }

    #[test]
    fn only_this_machine_is_private_without_encryption() {
        for (address, private) in [
            ("https://a.org/", true),
            ("http://a.org/", false),
            ("http://localhost/", true),
            ("http://LOCALHOST:1/", true),
            ("http://127.9.9.9/", true),
            ("http://127.0.0.1.a.org/", false),
            ("http://localhost.a.org/", false),
            ("http://10.0.0.1/", false),
        ] {
            assert_eq!(is_private(&address.parse().unwrap()), private, "{address}");
        }
    }
}
