//! Authors' signatures: Ed25519 over a component's digest, in a small text file beside it.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use ml_connector_domain::id::ContentHash;
use ring::rand::SystemRandom;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};

use super::look;
use crate::commands::{Outcome, say};
use crate::config::MappersConfig;

/// What a signature is over: these words, then the digest. A signature for something else is none for this.
const SIGNED: &str = "ml-connector mapper 1\n";
/// A component's largest size that is signed; what is uploaded has a limit of its own.
const COMPONENT_BYTES_MAX: u64 = 64 << 20;

fn message(digest: &ContentHash) -> String {
    format!("{SIGNED}{digest}")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digits = hex.as_bytes();
    let pairs = digits.chunks(2).map(|pair| {
        let text = std::str::from_utf8(pair).ok().filter(|text| text.len() == 2)?;
        u8::from_str_radix(text, 16).ok()
    });
    pairs.collect()
}

/// Makes a private key in a file that only its owner can read, and prints the public key.
pub(super) fn new_key(file: &Path) -> Outcome {
    let made = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new());
    let made = made.map_err(|_| "SIG-KEY: the machine has no randomness")?;
    let pair = Ed25519KeyPair::from_pkcs8(made.as_ref()).map_err(|_| "SIG-KEY: the new key is unusable")?;
    // create_new: an author's key must never be overwritten.
    let mut written = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
    let written = written.as_mut().map(|out| writeln!(out, "{}", hex(made.as_ref())));
    if let Err(error) = written.map_err(|error| error.to_string()).and_then(|w| w.map_err(|e| e.to_string()))
    {
        return Err(format!("SIG-KEY: {}: {error}", file.display()).into());
    }
    say(&hex(pair.public_key().as_ref()));
    Ok(())
}

/// Signs a component.
pub(super) fn sign(component: &Path, key: &Path) -> Outcome {
    let text = crate::app::read_secret(key)?;
    let text = bytes(secrecy::ExposeSecret::expose_secret(&text));
    let pair = text.and_then(|key| Ed25519KeyPair::from_pkcs8(&key).ok());
    let pair =
        pair.ok_or_else(|| format!("SIG-KEY: {} holds no key of `mapper sign --new-key`", key.display()))?;
    let digest = ContentHash::of(&look::read(component, COMPONENT_BYTES_MAX)?);
    let signature = hex(pair.sign(message(&digest).as_bytes()).as_ref());
    let file = beside(component);
    fs::write(&file, format!("{signature}\n")).map_err(|error| format!("{}: {error}", file.display()))?;
    say(&format!("sha256 {digest}\nsigned by {}\n{}", hex(pair.public_key().as_ref()), file.display()));
    Ok(())
}

/// The signature's file beside a component.
pub(super) fn beside(component: &Path) -> PathBuf {
    let mut name = component.as_os_str().to_owned();
    name.push(".sig");
    PathBuf::from(name)
}

/// The author whose signature this is.
///
/// # Errors
/// `SIG-AUTHOR`: it is none of a configured author's over this digest. `SIG-KEY`: a configured key is none.
pub(super) fn author(
    config: &MappersConfig,
    digest: &ContentHash,
    signature: &str,
) -> Result<String, String> {
    let signature = bytes(signature.trim()).ok_or("SIG-FORM: a signature is 128 hexadecimal digits")?;
    for (name, key) in &config.authors {
        let key = bytes(key).filter(|key| key.len() == 32);
        let key =
            key.ok_or_else(|| format!("SIG-KEY: mappers.authors.{name}: write 64 hexadecimal digits"))?;
        let checked = UnparsedPublicKey::new(&ED25519, key).verify(message(digest).as_bytes(), &signature);
        if checked.is_ok() {
            return Ok(name.clone());
        }
    }
    Err(format!(
        "SIG-AUTHOR: no author in [mappers.authors] has signed {digest}: add the key, or have it signed"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_for_one_component_and_one_author() {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("a seed");
        let (one, other) = (ContentHash::of(b"one"), ContentHash::of(b"other"));
        let signature = hex(pair.sign(message(&one).as_bytes()).as_ref());
        let mut config = MappersConfig::default();
        assert!(author(&config, &one, &signature).expect_err("nobody is known").starts_with("SIG-AUTHOR"));
        let stranger = Ed25519KeyPair::from_seed_unchecked(&[8; 32]).expect("a seed");
        config.authors.insert("ann".to_owned(), hex(stranger.public_key().as_ref()));
        assert!(author(&config, &one, &signature).expect_err("not ann's").starts_with("SIG-AUTHOR"));
        config.authors.insert("bob".to_owned(), hex(pair.public_key().as_ref()));
        assert_eq!(author(&config, &one, &signature), Ok("bob".to_owned()));
        assert!(author(&config, &other, &signature).expect_err("another").starts_with("SIG-AUTHOR"));
        let bare = hex(pair.sign(one.as_str().as_bytes()).as_ref());
        assert!(
            author(&config, &one, &bare).is_err(),
            "a signature over the digest alone is for something else"
        );
        assert!(author(&config, &one, "zz").expect_err("no digits").starts_with("SIG-FORM"));
        config.authors.insert("zoe".to_owned(), "12".to_owned());
        assert!(author(&config, &other, &signature).expect_err("a bad key").starts_with("SIG-KEY"));
    }
}
