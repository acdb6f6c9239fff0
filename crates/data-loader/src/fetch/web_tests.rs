//! Do redirects lead where they may, and does nothing secret show?

use super::*;

#[test]
fn redirects_are_read_as_browsers_read_them() {
    let here: Uri = "https://a.org:8/x/y?z=1".parse().unwrap();
    for (there, whole) in [
        ("http://b.org/c", "http://b.org/c"),
        ("//b.org/c", "https://b.org/c"),
        ("/c?d=e:f#g", "https://a.org:8/c?d=e:f"),
        ("c/d", "https://a.org:8/x/c/d"),
        ("?q=1", "https://a.org:8/x/y?q=1"),
        ("file:///etc/passwd", "file:///etc/passwd"),
    ] {
        assert_eq!(join(&here, there), whole);
    }
}

#[test]
fn a_redirect_never_leaves_https_for_less() {
    let sent = |from: &str, to: &str| {
        let response = Response::builder().header("location", to).body(Body::builder().data("")).unwrap();
        redirected(&Answer { response, address: from.parse().unwrap() })
    };
    assert_eq!(sent("http://a.org/x", "https://b.org/y").unwrap(), "https://b.org/y");
    for (from, to) in [
        ("https://a.org/x", "http://a.org/x"),
        ("http://a.org/x", "file:///etc/passwd"),
        ("https://a.org/x", "ftp://a.org/x"),
        ("https://a.org/x", "data:text/csv,1"),
        ("https://a.org/x", "http://"),
        ("https://a.org/x", "//"),
    ] {
        let error = sent(from, to).unwrap_err();
        assert!(matches!(error, Trouble::Lasting(Error::Fetch { usage: true, .. })), "{from} {to}: {error:?}");
    }
}

#[test]
fn what_may_be_secret_is_not_shown() {
    let address: Uri = "https://me:pass@a.org/x?signature=abc".parse().unwrap();
    assert_eq!(shown(&address), "https://a.org/x?...");
    assert_eq!(format!("{:?}", Secret::new("abc")), "Secret");
    let error = super::address("url", "https://me:pass@a.org/x").unwrap_err();
    assert!(!error.to_string().contains("pass@") && error.is_usage(), "{error}");
    for wrong in ["", "a b", "file:///etc/passwd", "ftp://a.org/x", "/x", "http://", "a.org"] {
        assert!(super::address("url", wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_server_may_ask_for_patience_in_seconds_or_by_date() {
    assert_eq!(pause("7"), Some(Duration::from_secs(7)));
    assert_eq!(pause("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO));
    assert!(pause("Tue, 31 Dec 2199 23:59:59 GMT").unwrap() > LONGEST_ASKED);
    assert_eq!(pause("soon"), None);
}
