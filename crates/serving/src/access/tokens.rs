//! Which tokens are believed? JSON Web Tokens (RFC 7519) that were signed by one of the keys of a JWK set (RFC 7517), are meant for this
//! server, and whose time is not over. The algorithm must be one of the key that is named: a token does not choose how it is verified.

use std::path::Path;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{self, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm};
use serde::Deserialize;

use super::{Grant, Scope};
use crate::Error;

/// By how much two clocks may differ.
const LEEWAY: Duration = Duration::from_mins(1);

/// Who signs tokens, and what must stand in them.
pub(super) struct Tokens {
    keys: Vec<Key>,
    issuer: Option<String>,
    audience: Option<String>,
}

/// A public key.
struct Key {
    id: Option<String>,
    /// The only algorithm for which it is meant, if it says so.
    algorithm: Option<String>,
    numbers: Numbers,
}

enum Numbers {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    P256(Vec<u8>),
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Written>,
}

/// A key as it is written in a set.
#[derive(Deserialize)]
struct Written {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    used: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

#[derive(Deserialize)]
struct Head {
    alg: String,
    kid: Option<String>,
    crit: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Claims {
    exp: Option<f64>,
    nbf: Option<f64>,
    iss: Option<String>,
    aud: Option<OneOrMany>,
    sub: Option<String>,
    scope: Option<OneOrMany>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    fn words(&self) -> Vec<&str> {
        match self {
            Self::One(text) => text.split_ascii_whitespace().collect(),
            Self::Many(texts) => texts.iter().map(String::as_str).collect(),
        }
    }
}

impl Tokens {
    /// Reads a set of keys. Keys for other uses, and of kinds that are not known here, are passed over.
    ///
    /// # Errors
    /// [`Error::Access`] with what is wrong in the file.
    pub(super) fn read(path: &Path, issuer: Option<String>, audience: Option<String>) -> Result<Self, Error> {
        let wrong = |reason: String| Error::Access { path: path.to_owned(), reason };
        let text = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
        let set: KeySet = serde_json::from_slice(&text).map_err(|error| wrong(error.to_string()))?;
        let signs = |key: &Written| key.used.as_deref().is_none_or(|used| used == "sig");
        let mut keys = Vec::new();
        for (place, written) in set.keys.into_iter().enumerate().filter(|(_, key)| signs(key)) {
            if let Some(numbers) = numbers(&written).map_err(|reason| wrong(format!("key {place}: {reason}")))? {
                keys.push(Key { id: written.kid, algorithm: written.alg, numbers });
            }
        }
        match keys.is_empty() {
            true => Err(wrong("no key in it can verify tokens; RSA, P-256, P-384 and Ed25519 are known".into())),
            false => Ok(Self { keys, issuer, audience }),
        }
    }

    /// What a token grants at this time.
    ///
    /// # Errors
    /// Why it is not believed.
    pub(super) fn grant(&self, token: &str, now: SystemTime) -> Result<Grant, String> {
        let odd = || "the token is no JSON Web Token".to_owned();
        let (signed, signature) = token.rsplit_once('.').ok_or_else(odd)?;
        let (head, claims) = signed.split_once('.').ok_or_else(odd)?;
        let bytes = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|_| odd());
        let head: Head = serde_json::from_slice(&bytes(head)?).map_err(|_| odd())?;
        if head.crit.is_some() {
            return Err("the token says that more must be understood than is understood here".into());
        }
        let signature = bytes(signature)?;
        let suits = |key: &&Key| match (&head.kid, &key.id) {
            (Some(wanted), Some(id)) => wanted == id,
            _ => true,
        };
        let verified = |key: &Key| key.verify(&head.alg, signed.as_bytes(), &signature);
        if !self.keys.iter().filter(suits).any(verified) {
            return Err("the token is signed by nobody who is known".into());
        }
        // Only now is what it says of any weight.
        let claims: Claims = serde_json::from_slice(&bytes(claims)?).map_err(|_| odd())?;
        self.check(&claims, now)?;
        let words = claims.scope.as_ref().map(OneOrMany::words);
        let scopes = match words {
            None => vec![Scope::Predict],
            Some(words) => words.iter().filter_map(|word| scope(word)).collect(),
        };
        let name = claims.sub.ok_or("the token does not say whose it is")?;
        Ok(Grant { name, scopes, models: None, rate: None })
    }

    fn check(&self, claims: &Claims, now: SystemTime) -> Result<(), String> {
        let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let leeway = LEEWAY.as_secs_f64();
        match claims.exp {
            None => return Err("the token has no end".into()),
            Some(end) if end <= now - leeway => return Err("the time of the token is over".into()),
            Some(_) => {}
        }
        if claims.nbf.is_some_and(|begin| begin > now + leeway) {
            return Err("the time of the token has not come".into());
        }
        if let Some(issuer) = &self.issuer
            && claims.iss.as_ref() != Some(issuer)
        {
            return Err("the token is from somebody else".into());
        }
        let meant = |audience: &String| match &claims.aud {
            Some(OneOrMany::One(one)) => one == audience,
            Some(OneOrMany::Many(many)) => many.contains(audience),
            None => false,
        };
        match &self.audience {
            Some(audience) if !meant(audience) => Err("the token is meant for somebody else".into()),
            _ => Ok(()),
        }
    }
}

/// A scope of ours, alone or behind `firebox:`.
fn scope(word: &str) -> Option<Scope> {
    match word.strip_prefix("firebox:").unwrap_or(word) {
        "predict" => Some(Scope::Predict),
        "metrics" => Some(Scope::Metrics),
        "control" => Some(Scope::Control),
        _ => None,
    }
}

/// The numbers of a key, if it is of a kind that is known here.
fn numbers(key: &Written) -> Result<Option<Numbers>, String> {
    let bytes = |name: &str, text: &Option<String>| {
        let text = text.as_ref().ok_or_else(|| format!("`{name}` is missing"))?;
        URL_SAFE_NO_PAD.decode(text).map_err(|_| format!("`{name}` is not written in base64url"))
    };
    let point = |size: usize| {
        let (x, y) = (bytes("x", &key.x)?, bytes("y", &key.y)?);
        match x.len() == size && y.len() == size {
            true => Ok([&[4][..], &x, &y].concat()),
            false => Err(format!("`x` and `y` must have {size} bytes")),
        }
    };
    Ok(match (key.kty.as_str(), key.crv.as_deref()) {
        ("RSA", _) => Some(Numbers::Rsa { n: bytes("n", &key.n)?, e: bytes("e", &key.e)? }),
        ("EC", Some("P-256")) => Some(Numbers::P256(point(32)?)),
        ("EC", Some("P-384")) => Some(Numbers::P384(point(48)?)),
        ("OKP", Some("Ed25519")) => Some(Numbers::Ed25519(bytes("x", &key.x)?)),
        _ => None,
    })
}

impl Key {
    fn verify(&self, algorithm: &str, signed: &[u8], signature: &[u8]) -> bool {
        if self.algorithm.as_ref().is_some_and(|own| own != algorithm) {
            return false;
        }
        let rsa = |parameters: &'static RsaParameters, n: &[u8], e: &[u8]| {
            RsaPublicKeyComponents { n, e }.verify(parameters, signed, signature).is_ok()
        };
        let plain = |kind: &'static dyn VerificationAlgorithm, key: &[u8]| {
            UnparsedPublicKey::new(kind, key).verify(signed, signature).is_ok()
        };
        match (&self.numbers, algorithm) {
            (Numbers::Rsa { n, e }, "RS256") => rsa(&signature::RSA_PKCS1_2048_8192_SHA256, n, e),
            (Numbers::Rsa { n, e }, "RS384") => rsa(&signature::RSA_PKCS1_2048_8192_SHA384, n, e),
            (Numbers::Rsa { n, e }, "RS512") => rsa(&signature::RSA_PKCS1_2048_8192_SHA512, n, e),
            (Numbers::Rsa { n, e }, "PS256") => rsa(&signature::RSA_PSS_2048_8192_SHA256, n, e),
            (Numbers::Rsa { n, e }, "PS384") => rsa(&signature::RSA_PSS_2048_8192_SHA384, n, e),
            (Numbers::Rsa { n, e }, "PS512") => rsa(&signature::RSA_PSS_2048_8192_SHA512, n, e),
            (Numbers::P256(point), "ES256") => plain(&signature::ECDSA_P256_SHA256_FIXED, point),
            (Numbers::P384(point), "ES384") => plain(&signature::ECDSA_P384_SHA384_FIXED, point),
            (Numbers::Ed25519(point), "EdDSA") => plain(&signature::ED25519, point),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use ring::rand::SystemRandom;
    use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
    use serde_json::{Value, json};

    use super::*;

    /// Signs a text.
    type Sign = Box<dyn Fn(&[u8]) -> Vec<u8>>;

    /// A signer, its key as a set, and the name of its algorithm.
    struct Signer {
        jwk: Value,
        algorithm: &'static str,
        sign: Sign,
    }

    fn coded(bytes: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn signers() -> [Signer; 2] {
        let random = SystemRandom::new();
        let ed = Ed25519KeyPair::from_pkcs8(Ed25519KeyPair::generate_pkcs8(&random).unwrap().as_ref()).unwrap();
        let kind = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let ec = EcdsaKeyPair::generate_pkcs8(kind, &random).unwrap();
        let ec = EcdsaKeyPair::from_pkcs8(kind, ec.as_ref(), &random).unwrap();
        let point = ec.public_key().as_ref().to_vec();
        [
            Signer {
                jwk: json!({ "kty": "OKP", "crv": "Ed25519", "kid": "one", "x": coded(ed.public_key().as_ref()) }),
                algorithm: "EdDSA",
                sign: Box::new(move |text| ed.sign(text).as_ref().to_vec()),
            },
            Signer {
                jwk: json!({ "kty": "EC", "crv": "P-256", "use": "sig", "x": coded(&point[1..33]), "y": coded(&point[33..]) }),
                algorithm: "ES256",
                sign: Box::new(move |text| ec.sign(&SystemRandom::new(), text).unwrap().as_ref().to_vec()),
            },
        ]
    }

    fn token(signer: &Signer, head: &Value, claims: &Value) -> String {
        let signed = format!("{}.{}", coded(head.to_string().as_bytes()), coded(claims.to_string().as_bytes()));
        format!("{signed}.{}", coded(&(signer.sign)(signed.as_bytes())))
    }

    fn tokens(keys: &[&Value], issuer: Option<&str>, audience: Option<&str>) -> Tokens {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jwks.json");
        std::fs::write(&path, json!({ "keys": keys }).to_string()).unwrap();
        Tokens::read(&path, issuer.map(str::to_owned), audience.map(str::to_owned)).unwrap()
    }

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn a_signed_token_grants_what_it_says() {
        for signer in signers() {
            let tokens = tokens(&[&json!({ "kty": "oct", "k": "x" }), &signer.jwk], Some("us"), Some("here"));
            let head = json!({ "alg": signer.algorithm, "kid": signer.jwk["kid"], "typ": "JWT" });
            let claims = json!({ "exp": 1000, "nbf": 500, "iss": "us", "aud": ["there", "here"], "sub": "shop",
                                 "scope": "openid predict firebox:metrics" });
            let grant = tokens.grant(&token(&signer, &head, &claims), at(900)).unwrap();
            assert_eq!((grant.name.as_str(), grant.scopes.as_slice()), ("shop", &[Scope::Predict, Scope::Metrics][..]));
            let without = |key: &str, value: Value| {
                let mut claims = claims.clone();
                claims[key] = value;
                tokens.grant(&token(&signer, &head, &claims), at(900))
            };
            assert_eq!(without("scope", Value::Null).unwrap().scopes, [Scope::Predict]);
            assert_eq!(without("scope", json!("openid")).unwrap().scopes, []);
            for (key, value, words) in [
                ("exp", json!(800), "over"),
                ("exp", Value::Null, "no end"),
                ("nbf", json!(2000), "not come"),
                ("iss", json!("them"), "somebody else"),
                ("aud", json!("there"), "meant for"),
                ("aud", Value::Null, "meant for"),
                ("sub", Value::Null, "whose"),
            ] {
                let error = without(key, value).unwrap_err();
                assert!(error.contains(words), "{key}: {error}");
            }
        }
    }

    #[test]
    fn what_others_signed_or_nobody_did_is_not_believed() {
        let [ed, ec] = signers();
        let tokens = tokens(&[&ed.jwk], None, None);
        let claims = json!({ "exp": 1000, "sub": "shop" });
        let good = token(&ed, &json!({ "alg": "EdDSA" }), &claims);
        tokens.grant(&good, at(0)).unwrap();
        let unsigned =
            |head: Value| format!("{}.{}.", coded(head.to_string().as_bytes()), coded(claims.to_string().as_bytes()));
        let (head, rest) = good.split_once('.').unwrap();
        let (body, signature) = rest.split_once('.').unwrap();
        let other = coded(json!({ "exp": 9_000_000, "sub": "shop" }).to_string().as_bytes());
        for bad in [
            unsigned(json!({ "alg": "none" })),
            unsigned(json!({ "alg": "EdDSA" })),
            token(&ec, &json!({ "alg": "ES256" }), &claims),
            token(&ec, &json!({ "alg": "EdDSA" }), &claims),
            token(&ed, &json!({ "alg": "HS256" }), &claims),
            token(&ed, &json!({ "alg": "EdDSA", "kid": "two" }), &claims),
            token(&ed, &json!({ "alg": "EdDSA", "crit": ["b64"] }), &claims),
            format!("{head}.{other}.{signature}"),
            format!("{head}.{body}.{}", coded(&[0; 64])),
            "a.b.c".into(),
            "..".into(),
            good.trim_end_matches(|c: char| c != '.').into(),
        ] {
            tokens.grant(&bad, at(0)).unwrap_err();
        }
    }

    #[test]
    fn a_set_without_keys_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jwks.json");
        for (text, words) in [
            ("{}", "keys"),
            (r#"{"keys": []}"#, "no key"),
            (r#"{"keys": [{"kty": "oct"}]}"#, "no key"),
            (r#"{"keys": [{"kty": "RSA", "e": "AQAB"}]}"#, "`n` is missing"),
            (r#"{"keys": [{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}]}"#, "32 bytes"),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = Tokens::read(&path, None, None).err().unwrap();
            assert!(error.to_string().contains(words), "{error}");
        }
    }
}
