//! Who is let in: tokens of every grant, Basic authentication, privileges.

use axum::http::Method;
use base64::Engine as _;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::super::identity;
use super::{Fusion, base64, read};
use crate::http::Reply;
use crate::scenario::names;
use crate::strictness::{FORM, incoming};

fn url64(bytes: impl AsRef<[u8]>) -> String {
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// Asks for a token with form fields.
fn token(fusion: &Fusion, fields: &[(&str, &str)]) -> (u16, Value) {
    let mut all = vec![("client_id", names::CLIENT), ("client_secret", names::CLIENT_SECRET)];
    for (name, value) in fields {
        all.retain(|(known, _)| known != name);
        all.push((name, value));
    }
    let form: Vec<String> = all.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    let request = incoming(Method::POST, "/oauth2/v1/token", "", FORM, &form.join("&"));
    read(&identity::handle(&fusion.world, &request))
}

#[test]
fn the_identity_domain_refuses_in_oauth_s_words() {
    let fusion = Fusion::new();
    let good = [("grant_type", "client_credentials"), ("scope", names::SCOPE)];
    let rows = [
        ("grant_type", "password", 400, "unsupported_grant_type"),
        ("client_secret", "wrong", 401, "invalid_client"),
        ("client_id", "nobody", 401, "invalid_client"),
        ("scope", "urn:opc:resource:other::all", 400, "invalid_scope"),
        ("scope", "", 400, "invalid_scope"),
    ];
    for (name, value, status, error) in rows {
        let mut fields = good.to_vec();
        fields.retain(|(known, _)| *known != name);
        fields.push((name, value));
        let (found, answer) = token(&fusion, &fields);
        assert!(found == status && answer["error"] == error, "{name}: {found} {answer}");
    }
    let (status, answer) = token(&fusion, &good);
    assert_eq!((status, &answer["token_type"], &answer["expires_in"]), (200, &json!("Bearer"), &json!(3600)));
    assert!(answer.get("refresh_token").is_none(), "client credentials bring no refresh token");
}

fn assertion(claims: &Value, header: &Value) -> String {
    let signed = format!("{}.{}", url64(header.to_string()), url64(claims.to_string()));
    let lines = identity::PRIVATE_KEY.lines().filter(|line| !line.starts_with("-----"));
    let key = base64::engine::general_purpose::STANDARD.decode(lines.collect::<String>()).expect("base64");
    let key = RsaKeyPair::from_pkcs8(&key).expect("a key");
    let mut signature = vec![0; key.public().modulus_len()];
    let random = ring::rand::SystemRandom::new();
    key.sign(&RSA_PKCS1_SHA256, &random, signed.as_bytes(), &mut signature).expect("signs");
    format!("{signed}.{}", url64(signature))
}

#[test]
fn a_user_assertion_is_checked_and_good_once() {
    let fusion = Fusion::new();
    let now = fusion.world.clock.now() / 1_000;
    let header = json!({ "alg": "RS256", "typ": "JWT", "kid": names::ASSERTION_KEY });
    let good = json!({
        "iss": names::CLIENT, "sub": names::USER, "aud": [names::ASSERTION_AUDIENCE], "iat": now,
        "exp": now + 300, "jti": "1",
    });
    let send = |assertion: &str| {
        let grant = "urn:ietf:params:oauth:grant-type:jwt-bearer";
        token(&fusion, &[("grant_type", grant), ("scope", names::SCOPE), ("assertion", assertion)])
    };
    let rows = [
        ("iss", json!("somebody")),
        ("sub", json!("nobody@example.com")),
        ("aud", json!("https://elsewhere/")),
        ("exp", json!(now)),
        ("exp", json!(now + 301)),
        ("iat", json!(now + 120)),
        ("jti", json!("")),
    ];
    for (claim, value) in rows {
        let mut claims = good.clone();
        claims[claim] = value.clone();
        let (status, answer) = send(&assertion(&claims, &header));
        assert!(status == 400 && answer["error"] == "invalid_grant", "{claim} {value}: {answer}");
    }
    for header in [json!({ "alg": "HS256" }), json!({ "alg": "RS256", "kid": "other" })] {
        assert_eq!(send(&assertion(&good, &header)).0, 400, "{header}");
    }
    let signed = assertion(&good, &header);
    let forged = assertion(&json!({ "iss": names::CLIENT }), &header);
    let (claims, signature) = (signed.rsplit_once('.'), forged.rsplit_once('.'));
    let mixed = format!("{}.{}", claims.expect("a JWT").0, signature.expect("a JWT").1);
    assert_eq!(send(&mixed).0, 400, "another document's signature");
    let (status, answer) = send(&signed);
    assert_eq!(status, 200, "{answer}");
    assert_eq!(send(&signed).0, 400, "it was used");
}

fn location(reply: &Reply) -> String {
    let Reply::Answer { status: 302, headers, .. } = reply else { panic!("no redirect: {:?}", read(reply)) };
    headers.iter().find(|(name, _)| *name == "location").expect("a location").1.clone()
}

#[test]
fn an_authorisation_code_is_good_once_for_whoever_asked_for_it() {
    let fusion = Fusion::new();
    let redirect = "http://127.0.0.1:9/callback";
    let verifier = "a-verifier-of-forty-three-characters-at-least";
    let challenge = url64(Sha256::digest(verifier));
    let authorize = || {
        let scope = encoded(&format!("{} offline_access", names::SCOPE));
        let query = format!(
            "response_type=code&client_id={}&redirect_uri={}&scope={scope}&state=a%20b&code_challenge={challenge}&code_challenge_method=S256",
            names::CLIENT,
            encoded(redirect),
        );
        let request = incoming(Method::GET, "/oauth2/v1/authorize", &query, &[], "");
        let place = location(&identity::handle(&fusion.world, &request));
        assert!(place.starts_with(redirect) && place.ends_with("&state=a%20b"), "{place}");
        let code = place.split("code=").nth(1).and_then(|rest| rest.split('&').next());
        code.expect("a code").to_owned()
    };
    let redeem = |code: &str, redirect: &str, verifier: &str| {
        let grant = ("grant_type", "authorization_code");
        let more = [("code", code), ("redirect_uri", redirect), ("code_verifier", verifier)];
        token(&fusion, &[[grant].as_slice(), &more].concat())
    };
    assert_eq!(redeem(&authorize(), "http://127.0.0.1:9/other", verifier).0, 400);
    assert_eq!(redeem(&authorize(), redirect, "another").0, 400);
    let code = authorize();
    let (status, answer) = redeem(&code, redirect, verifier);
    assert_eq!(status, 200, "{answer}");
    assert_eq!(redeem(&code, redirect, verifier).0, 400, "it was used");
    let refresh = answer["refresh_token"].as_str().expect("a refresh token").to_owned();
    let again = token(&fusion, &[("grant_type", "refresh_token"), ("refresh_token", &refresh)]);
    assert_eq!(again.0, 200, "{}", again.1);
    let late = authorize();
    fusion.wait(121_000);
    assert_eq!(redeem(&late, redirect, verifier).0, 400, "it is too old");
}

#[test]
fn credentials_are_401_and_a_missing_privilege_is_403() {
    let fusion = Fusion::new();
    let basic = format!("Basic {}", base64(format!("{}:{}", names::USER, names::USER_PASSWORD)));
    let status = |authorization: &str| {
        let headers = [("authorization", authorization)];
        fusion.ask(Method::GET, "ledgersLOV", &[], &headers, &Value::Null).status()
    };
    assert_eq!(status(&format!("Bearer {}", fusion.token)), 200);
    assert_eq!(status(&basic), 200);
    assert_eq!((status("Basic d3Jvbmc6d3Jvbmc="), status("Bearer made-up"), status("")), (401, 401, 401));
    let rows = [
        ("receivables", "receivablesInvoices"),
        ("receivables", "standardReceipts"),
        ("receivables", "receivablesCustomerAccountActivities"),
        ("enterprise_structures", "accountCombinationsLOV"),
        ("enterprise_structures", "accountingPeriodStatusLOV"),
        ("journals", "journalBatches"),
        ("integrations", "erpintegrations"),
    ];
    for (privilege, resource) in rows {
        fusion.set(&json!({ "revoke_privilege": privilege }));
        let (status, answer) = fusion.get(resource, &[]);
        assert_eq!(status, 403, "{resource}: {answer}");
        assert!(answer.as_str().is_some_and(|words| !words.contains("PRIV")), "it names no privilege");
        fusion.set(&json!({ "grant_privilege": privilege }));
        assert_ne!(fusion.get(resource, &[]).0, 403, "{resource}");
    }
}

#[test]
fn a_token_ends_when_its_life_is_over() {
    let fusion = Fusion::new();
    fusion.wait(3_599_000);
    assert_eq!(fusion.get("ledgersLOV", &[]).0, 200);
    fusion.wait(1_000);
    assert_eq!(fusion.get("ledgersLOV", &[]).0, 401);
    fusion.set(&json!({ "token_seconds": 60 }));
    let (_, answer) = token(&fusion, &[("grant_type", "client_credentials"), ("scope", names::SCOPE)]);
    assert_eq!(answer["expires_in"], 60);
}
