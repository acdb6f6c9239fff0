//! What is granted to whom.

use hyper::header::HeaderValue;

use super::*;

fn access(settings: &Settings) -> Access {
    Access::read(settings).unwrap()
}

fn headers(name: &'static str, value: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(name, HeaderValue::from_str(value).unwrap());
    headers
}

const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 2));

#[test]
fn without_keys_whoever_reaches_the_port_may_ask_as_often_as_all_may() {
    let rate = Some(Rate { per_minute: 2, burst: None });
    let access = access(&Settings { rate, ..Settings::default() });
    let ask = |peer, scope| access.admit(&HeaderMap::new(), peer, None, scope);
    let first = ask(PEER, Some(Scope::Control)).unwrap();
    assert_eq!(ask(PEER, Some(Scope::Predict)).unwrap().client, first.client);
    assert_eq!(ask(PEER, Some(Scope::Predict)).unwrap_err().status, 429);
    // What is for everyone costs nothing, and others have a bucket of their own.
    ask(PEER, None).unwrap();
    assert_ne!(ask(OTHER, Some(Scope::Predict)).unwrap().client, first.client);
    let known = access.admit(&HeaderMap::new(), PEER, Some("abc"), Some(Scope::Predict)).unwrap();
    assert!(known.client != first.client && known.name.unwrap().contains("abc"));
}

#[test]
fn a_key_grants_its_scopes_and_models_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.toml");
    let (key, mut written) = keys::new("shop".into(), vec![Scope::Predict], Some(vec!["penguins".into()])).unwrap();
    written.rate = Some(Rate { per_minute: 100, burst: Some(4) });
    keys::add(&path, written).unwrap();
    let access = access(&Settings { keys: Some(path), ..Settings::default() });
    let ask = |headers: &HeaderMap, scope| access.admit(headers, PEER, None, Some(scope));
    for (name, value) in [
        ("authorization", format!("Bearer {key}")),
        ("authorization", format!("bearer  {key} ")),
        ("x-api-key", key.clone()),
    ] {
        let caller = ask(&headers(name, &value), Scope::Predict).unwrap();
        assert_eq!(caller.name.as_deref(), Some("shop"));
        caller.may_ask("penguins").unwrap();
        assert_eq!(caller.may_ask("digits").unwrap_err().status, 403);
    }
    let shown = headers("x-api-key", &key);
    assert_eq!(ask(&shown, Scope::Control).unwrap_err().status, 403);
    ask(&shown, Scope::Predict).unwrap();
    assert_eq!(ask(&shown, Scope::Predict).unwrap_err().status, 429);
    for (name, value) in [
        ("x-api-key", "fbx_unknown"),
        ("x-api-key", ""),
        ("authorization", "Basic YTpi"),
        ("authorization", "Bearer"),
        ("authorization", "Bearer a.b.c"),
        ("authorization", &format!("Bearer {}", "x".repeat(LONGEST))),
    ] {
        let refusal = ask(&headers(name, value), Scope::Predict).unwrap_err();
        assert!(refusal.status == 401 && refusal.authenticate, "{name}: {value}");
    }
    assert_eq!(ask(&HeaderMap::new(), Scope::Predict).unwrap_err().status, 401);
    access.admit(&HeaderMap::new(), PEER, None, None).unwrap();
}
