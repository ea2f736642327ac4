//! Signed assertions: a JSON web token under an RSA key (RFC 7515 compact form, RS256).

use std::sync::Arc;

use data_encoding::BASE64URL_NOPAD;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::sign::SigningKey;
use rustls::{SignatureAlgorithm, SignatureScheme};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;

/// Why nothing can be signed. Says nothing about what is in the key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AssertionError {
    /// No private key in PEM.
    #[error(
        "JWT-PEM: the private key is no PEM file with a private key: it begins with -----BEGIN PRIVATE KEY-----"
    )]
    NoPem,
    /// A key of another kind, too small or damaged.
    #[error(
        "JWT-KEY: the private key is no RSA key of at least 2048 bits: make one with `openssl genrsa 2048`"
    )]
    NoRsa,
    /// The key does not sign, or the claims are no JSON.
    #[error("JWT-SIGN: the assertion cannot be signed")]
    NotSigned,
}

/// An RSA private key that signs assertions.
pub struct AssertionKey(Arc<dyn SigningKey>);

impl std::fmt::Debug for AssertionKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AssertionKey(…)")
    }
}

#[derive(Serialize)]
struct Header<'a> {
    alg: &'static str,
    typ: &'static str,
    kid: &'a str,
}

impl AssertionKey {
    /// Reads a key from a PEM file's text (PKCS #8 or PKCS #1).
    ///
    /// # Errors
    /// It is none, or no RSA key of at least 2048 bits.
    pub fn parse(pem: &SecretString) -> Result<Self, AssertionError> {
        let der = PrivateKeyDer::from_pem_slice(pem.expose_secret().as_bytes());
        let der = der.map_err(|_| AssertionError::NoPem)?;
        let key = rustls::crypto::ring::sign::any_supported_type(&der).map_err(|_| AssertionError::NoRsa)?;
        if key.algorithm() != SignatureAlgorithm::RSA {
            return Err(AssertionError::NoRsa);
        }
        Ok(Self(key))
    }

    /// Signs claims; `key_id` tells the receiver which certificate to check with.
    ///
    /// # Errors
    /// The key does not sign.
    pub fn sign(&self, key_id: &str, claims: &impl Serialize) -> Result<SecretString, AssertionError> {
        let header = Header { alg: "RS256", typ: "JWT", kid: key_id };
        let part = |json: serde_json::Result<Vec<u8>>| {
            json.map(|json| BASE64URL_NOPAD.encode(&json)).map_err(|_| AssertionError::NotSigned)
        };
        let text = format!("{}.{}", part(serde_json::to_vec(&header))?, part(serde_json::to_vec(claims))?);
        let signer = self.0.choose_scheme(&[SignatureScheme::RSA_PKCS1_SHA256]);
        let signature = signer.and_then(|signer| signer.sign(text.as_bytes()).ok());
        let signature = signature.ok_or(AssertionError::NotSigned)?;
        Ok(format!("{text}.{}", BASE64URL_NOPAD.encode(&signature)).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made for this test with `openssl genrsa 2048`; it opens nothing.
    const PKCS8: &str = include_str!("../testdata/assertion.pem");
    /// A key on a curve.
    const CURVE: &str = include_str!("../testdata/curve.pem");
    /// `printf '{"alg":"RS256","typ":"JWT","kid":"k"}.{"sub":"x"}'`, each part in base64url, signed with `openssl dgst
    /// -sha256 -sign`: RS256 has no randomness, so that the two must agree.
    const SIGNED_BY_OPENSSL: &str = include_str!("../testdata/assertion.jwt");

    #[test]
    fn a_token_is_what_another_implementation_signs() {
        let key = AssertionKey::parse(&PKCS8.into()).expect("a key");
        let token = key.sign("k", &serde_json::json!({ "sub": "x" })).expect("signs");
        assert_eq!(token.expose_secret(), SIGNED_BY_OPENSSL.trim());
    }

    #[test]
    fn what_is_no_rsa_key_is_refused_without_showing_it() {
        let cut = PKCS8.replace("MII", "MIX");
        let rows = [
            ("", AssertionError::NoPem),
            ("secret text", AssertionError::NoPem),
            (CURVE, AssertionError::NoRsa),
            (&cut, AssertionError::NoRsa),
        ];
        for (pem, wanted) in rows {
            let error = AssertionKey::parse(&pem.into()).expect_err("refused");
            assert_eq!(error, wanted);
            assert!(!error.to_string().contains("secret text"));
        }
        let key = AssertionKey::parse(&PKCS8.into()).expect("a key");
        assert_eq!(format!("{key:?}"), "AssertionKey(…)");
    }
}
