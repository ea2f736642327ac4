//! `mapper sign`: an author's key, and a signature in a small text file beside a component.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use ml_connector_domain::id::ContentHash;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _};

use super::look;
use crate::commands::{Outcome, say};
use crate::signature::{beside, bytes, hex, message};

/// A component's largest size that is signed; what is uploaded has a limit of its own.
const COMPONENT_BYTES_MAX: u64 = 64 << 20;

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
