//! Authors' signatures: Ed25519 over a component's digest.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ml_connector_domain::id::ContentHash;
use ring::signature::{ED25519, UnparsedPublicKey};

/// What a signature is over: these words, then the digest. A signature for something else is none for this.
const SIGNED: &str = "ml-connector mapper 1\n";
/// Bytes of a public key.
const PUBLIC_KEY_BYTES: usize = 32;

/// Authors' public keys by name, in hexadecimal digits.
pub(crate) type Authors = BTreeMap<String, String>;

/// What is signed of a component.
pub(crate) fn message(digest: &ContentHash) -> String {
    format!("{SIGNED}{digest}")
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Hexadecimal digits as bytes.
pub(crate) fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digits = hex.as_bytes();
    let pairs = digits.chunks(2).map(|pair| {
        let text = std::str::from_utf8(pair).ok().filter(|text| text.len() == 2)?;
        u8::from_str_radix(text, 16).ok()
    });
    pairs.collect()
}

/// The signature's file beside a component.
pub(crate) fn beside(component: &Path) -> PathBuf {
    let mut name = component.as_os_str().to_owned();
    name.push(".sig");
    PathBuf::from(name)
}

/// The signature that lies beside a component, if one does.
///
/// # Errors
/// `SIG-READ`: it cannot be read.
pub(crate) fn read_beside(component: &Path) -> Result<Vec<String>, String> {
    match beside(component) {
        file if file.is_file() => Ok(vec![read(&file)?]),
        _ => Ok(Vec::new()),
    }
}

/// A signature's file.
///
/// # Errors
/// `SIG-READ`: it cannot be read.
pub(crate) fn read(file: &Path) -> Result<String, String> {
    let text = std::fs::read_to_string(file);
    let text = text.map_err(|error| format!("SIG-READ: {}: {error}", file.display()))?;
    Ok(text.trim().to_owned())
}

/// An author's public key.
///
/// # Errors
/// `SIG-KEY`: it is none.
pub(crate) fn public_key(name: &str, key: &str) -> Result<Vec<u8>, String> {
    let key = bytes(key).filter(|key| key.len() == PUBLIC_KEY_BYTES);
    key.ok_or_else(|| format!("SIG-KEY: mappers.authors.{name}: write 64 hexadecimal digits"))
}

/// The author whose signature this is.
///
/// # Errors
/// `SIG-AUTHOR`: it is none of these authors' over this digest. `SIG-FORM`: it is none at all. `SIG-KEY`: a configured
/// key is none.
pub(crate) fn author(authors: &Authors, digest: &ContentHash, signature: &str) -> Result<String, String> {
    let signature = bytes(signature.trim()).ok_or("SIG-FORM: a signature is 128 hexadecimal digits")?;
    for (name, key) in authors {
        let key = UnparsedPublicKey::new(&ED25519, public_key(name, key)?);
        if key.verify(message(digest).as_bytes(), &signature).is_ok() {
            return Ok(name.clone());
        }
    }
    Err(format!(
        "SIG-AUTHOR: no author in [mappers.authors] has signed {digest}: add the key, or have it signed"
    ))
}

#[cfg(test)]
mod tests {
    use ring::signature::{Ed25519KeyPair, KeyPair as _};

    use super::*;

    #[test]
    fn a_signature_is_for_one_component_and_one_author() {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("a seed");
        let (one, other) = (ContentHash::of(b"one"), ContentHash::of(b"other"));
        let signature = hex(pair.sign(message(&one).as_bytes()).as_ref());
        let mut authors = Authors::new();
        assert!(author(&authors, &one, &signature).expect_err("nobody is known").starts_with("SIG-AUTHOR"));
        let stranger = Ed25519KeyPair::from_seed_unchecked(&[8; 32]).expect("a seed");
        authors.insert("ann".to_owned(), hex(stranger.public_key().as_ref()));
        assert!(author(&authors, &one, &signature).expect_err("not ann's").starts_with("SIG-AUTHOR"));
        authors.insert("bob".to_owned(), hex(pair.public_key().as_ref()));
        assert_eq!(author(&authors, &one, &signature), Ok("bob".to_owned()));
        assert!(author(&authors, &other, &signature).expect_err("another").starts_with("SIG-AUTHOR"));
        let bare = hex(pair.sign(one.as_str().as_bytes()).as_ref());
        assert!(
            author(&authors, &one, &bare).is_err(),
            "a signature over the digest alone is for something else"
        );
        assert!(author(&authors, &one, "zz").expect_err("no digits").starts_with("SIG-FORM"));
        authors.insert("zoe".to_owned(), "12".to_owned());
        assert!(author(&authors, &other, &signature).expect_err("a bad key").starts_with("SIG-KEY"));
    }
}
