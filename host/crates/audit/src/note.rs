//! Signed notes (C2SP signed-note) with Ed25519: a checkpoint's text, an empty line, and a line for each signature.

use std::fmt;

use data_encoding::{BASE64, HEXLOWER};
use ml_connector_domain::audit::checkpoint::Checkpoint;
use rand::CryptoRng;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::{AuditError, Result};

const SEED_BYTES: usize = 32;
const KEY_BYTES: usize = 32;
/// First byte of an encoded key: Ed25519, in the registry of signed-note.
const ED25519_KIND: u8 = 1;
/// What stands before the 32 bytes of an Ed25519 key in a SubjectPublicKeyInfo (RFC 8410), as openssl reads it.
const SPKI_HEAD: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// The public half of a key, with its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyingKey {
    name: String,
    bytes: [u8; KEY_BYTES],
}

impl VerifyingKey {
    /// The key's name, which is also the log's origin: from the key, so that two logs never have the same.
    fn named(bytes: [u8; KEY_BYTES]) -> Self {
        let name = format!("ml-connector.audit/{}", &HEXLOWER.encode(&Sha256::digest(bytes))[..16]);
        Self { name, bytes }
    }

    /// Reads `<name>+<8 hex digits>+<base64>`.
    ///
    /// # Errors
    /// Anything else.
    pub fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        let bad = |why: &str| AuditError::Key(format!("`{text}` is no public key of an audit log: {why}"));
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(bad("it has the form name+id+key, as `ml-connector audit key` prints it"));
        };
        let key = BASE64.decode(key.as_bytes()).map_err(|_| bad("its last part is no base64"))?;
        let bytes = match key.split_first() {
            Some((&ED25519_KIND, key)) => key.try_into().map_err(|_| bad("it is not 32 bytes long"))?,
            _ => return Err(bad("it is not an Ed25519 key")),
        };
        let key = Self { name: name.to_owned(), bytes };
        if HEXLOWER.encode(&key.id()) == id { Ok(key) } else { Err(bad("its id does not belong to it")) }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Four bytes that tell keys of one name apart.
    fn id(&self) -> [u8; 4] {
        let hash = Sha256::new()
            .chain_update(self.name.as_bytes())
            .chain_update([b'\n', ED25519_KIND])
            .chain_update(self.bytes)
            .finalize();
        [hash[0], hash[1], hash[2], hash[3]]
    }

    /// As openssl reads it.
    pub fn pem(&self) -> String {
        let der = [&SPKI_HEAD[..], &self.bytes].concat();
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", BASE64.encode(&der))
    }

    /// Takes the text out of a note that this key signed.
    ///
    /// # Errors
    /// Says what is wrong: it is no note, another key's, or the signature does not fit.
    pub fn open<'a>(&self, note: &'a str) -> std::result::Result<&'a str, String> {
        let (text, signatures) = parts(note).ok_or("it is no signed note")?;
        let mut known = false;
        for line in signatures.lines() {
            let line = line.strip_prefix("\u{2014} ").ok_or("a signature line begins otherwise")?;
            let (name, signature) = line.split_once(' ').ok_or("a signature line has no signature")?;
            let signature =
                BASE64.decode(signature.as_bytes()).map_err(|_| "a signature is no base64".to_owned())?;
            let Some((id, signature)) = signature.split_at_checked(4) else { continue };
            if name != self.name || id != self.id() {
                continue;
            }
            known = true;
            if UnparsedPublicKey::new(&ED25519, self.bytes).verify(text.as_bytes(), signature).is_ok() {
                return Ok(text);
            }
        }
        Err(if known { "its signature does not fit" } else { "this key has not signed it" }.to_owned())
    }

    /// Reads a checkpoint that this key signed.
    ///
    /// # Errors
    /// As [`VerifyingKey::open`], or the text is no checkpoint of this key's log.
    pub fn checkpoint(&self, note: &str) -> std::result::Result<Checkpoint, String> {
        let checkpoint = Checkpoint::parse(self.open(note)?)?;
        if checkpoint.origin == self.name { Ok(checkpoint) } else { Err("it is of another log".to_owned()) }
    }
}

impl fmt::Display for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = [&[ED25519_KIND][..], &self.bytes].concat();
        write!(f, "{}+{}+{}", self.name, HEXLOWER.encode(&self.id()), BASE64.encode(&key))
    }
}

/// Text and signature lines of a note.
fn parts(note: &str) -> Option<(&str, &str)> {
    let end = note.rfind("\n\n")?;
    let (text, signatures) = (&note[..=end], &note[end + 2..]);
    (signatures.ends_with('\n') && !signatures.is_empty()).then_some((text, signatures))
}

/// A key that signs checkpoints.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    public: VerifyingKey,
}

impl SigningKey {
    /// Makes a new key's secret; its digits are what [`SigningKey::parse`] reads.
    pub fn generate(rng: &mut impl CryptoRng) -> SecretString {
        let mut seed = Zeroizing::new([0_u8; SEED_BYTES]);
        rng.fill_bytes(&mut *seed);
        HEXLOWER.encode(&*seed).into()
    }

    /// Reads 64 hexadecimal digits.
    ///
    /// # Errors
    /// Anything else.
    pub fn parse(secret: &SecretString) -> Result<Self> {
        let bad = || AuditError::Key("the sealed audit key is not 64 hexadecimal digits".to_owned());
        let seed = HEXLOWER.decode(secret.expose_secret().as_bytes()).map(Zeroizing::new);
        let pair =
            seed.ok().and_then(|seed| Ed25519KeyPair::from_seed_unchecked(&seed).ok()).ok_or_else(bad)?;
        let bytes = pair.public_key().as_ref().try_into().map_err(|_| bad())?;
        Ok(Self { pair, public: VerifyingKey::named(bytes) })
    }

    /// Its public half.
    pub fn public(&self) -> &VerifyingKey {
        &self.public
    }

    /// Signs a text of whole lines.
    pub fn sign(&self, text: &str) -> String {
        let signature = [&self.public.id()[..], self.pair.sign(text.as_bytes()).as_ref()].concat();
        format!("{text}\n\u{2014} {} {}\n", self.public.name, BASE64.encode(&signature))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use ml_connector_domain::audit::merkle::Hash;
    use rand::SeedableRng as _;

    /// A key that is the same in every run.
    pub(crate) fn key(seed: u64) -> SigningKey {
        let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(seed);
        SigningKey::parse(&SigningKey::generate(&mut rng)).expect("a key")
    }

    /// The example of Go's implementation of signed notes (golang.org/x/mod/sumdb/note).
    #[test]
    fn a_note_of_another_implementation_opens() {
        let key = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
        let note = "If you think cryptography is the answer to your problem,\n\
                    then you don't know what your problem is.\n\n\
                    \u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
        let parsed = VerifyingKey::parse(key).expect("a key");
        assert_eq!(parsed.to_string(), key);
        assert!(parsed.open(note).expect("opens").ends_with("your problem is.\n"));
    }

    #[test]
    fn what_is_signed_opens_and_nothing_else() {
        let (own, other) = (key(1), key(2));
        let at = "2026-10-31T00:00:00Z".parse().expect("a time");
        let origin = own.public().name().to_owned();
        let checkpoint = Checkpoint { origin, size: 12, root: Hash::empty(), at };
        let note = own.sign(&checkpoint.text());
        assert_eq!(own.public().checkpoint(&note), Ok(checkpoint));
        assert!(other.public().checkpoint(&note).expect_err("another key").contains("not signed"));
        for (n, _) in note.char_indices() {
            let mut altered = note.clone();
            let with = if note[n..].starts_with('A') { "B" } else { "A" };
            let end = n + note[n..].chars().next().map_or(0, char::len_utf8);
            altered.replace_range(n..end, with);
            assert!(own.public().checkpoint(&altered).is_err(), "{n}: {altered}");
        }
        let foreign = own.sign(
            &note
                .lines()
                .take(4)
                .map(|l| format!("{l}\n"))
                .collect::<String>()
                .replace(own.public().name(), "x"),
        );
        assert!(own.public().checkpoint(&foreign).expect_err("another origin").contains("another log"));
    }

    #[test]
    fn a_key_that_is_none_is_refused_with_what_to_do() {
        let good = key(1).public().to_string();
        assert_eq!(VerifyingKey::parse(&format!(" {good}\n")).expect("a key").to_string(), good);
        for bad in ["", "a+b", "x+00000000+AAAA", &good.replace("audit/", "audit/0"), &good[..good.len() - 4]]
        {
            let refused = VerifyingKey::parse(bad).expect_err(bad).to_string();
            assert!(refused.starts_with("AUD-KEY"), "{refused}");
        }
        assert!(SigningKey::parse(&"00".into()).is_err());
        assert!(key(1).public().pem().contains("MCowBQYDK2VwAyEA"));
    }
}
