//! Credentials at rest: AES-256-GCM, a data key for each record, wrapped by a master key.
//!
//! Both layers are bound to the record's tenant, seller, kind and version as associated data, so that a sealed
//! credential that is moved to another row opens there as little as an altered one.

use aes_gcm::aead::{Aead as _, KeyInit as _, Payload};
use aes_gcm::{Aes256Gcm, Key, Nonce};
use hmac::{Hmac, Mac as _};
use rand::CryptoRng;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;
use zeroize::Zeroizing;

/// First byte of what is sealed.
const FORMAT: u8 = 1;
const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;
const WRAPPED_BYTES: usize = KEY_BYTES + TAG_BYTES;
const HEADER_BYTES: usize = 1 + NONCE_BYTES + WRAPPED_BYTES + NONCE_BYTES;

/// Why a credential cannot be opened, or a key not be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// The master key is not 32 bytes in hexadecimal.
    #[error("VLT-KEY: a master key is 64 hexadecimal digits: make one with `openssl rand -hex 32`")]
    BadKey,
    /// Too short, or of another format.
    #[error("VLT-FORMAT: the stored credential is cut short or of an unknown format")]
    BadFormat,
    /// It was altered, moved from another row, or sealed under another master key.
    #[error("VLT-REFUSED: the stored credential was altered, moved, or sealed under another master key")]
    Refused,
}

/// What a sealed credential belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Binding<'a> {
    /// Tenant.
    pub tenant: &'a str,
    /// Seller, or the pseudo-seller of an application.
    pub seller: &'a str,
    /// Kind of credential.
    pub kind: &'a str,
    /// Version.
    pub version: u32,
}

impl Binding<'_> {
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![FORMAT];
        for part in [self.tenant, self.seller, self.kind] {
            bytes.extend((part.len() as u64).to_be_bytes());
            bytes.extend(part.as_bytes());
        }
        bytes.extend(self.version.to_be_bytes());
        bytes
    }
}

/// The key that wraps data keys. Wiped from memory when it is dropped.
pub struct MasterKey(Zeroizing<[u8; KEY_BYTES]>);

impl MasterKey {
    /// Reads 64 hexadecimal digits.
    ///
    /// # Errors
    /// Anything else.
    pub fn parse(text: &SecretString) -> Result<Self, VaultError> {
        let digits = text.expose_secret().trim().as_bytes();
        if digits.len() != 2 * KEY_BYTES {
            return Err(VaultError::BadKey);
        }
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        for (byte, pair) in key.iter_mut().zip(digits.chunks(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| VaultError::BadKey)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| VaultError::BadKey)?;
        }
        Ok(Self(key))
    }
}

impl MasterKey {
    /// Reads one or more keys, parted by white space or commas.
    ///
    /// # Errors
    /// There is none, or one of them is no key.
    pub fn parse_all(text: &SecretString) -> Result<Vec<Self>, VaultError> {
        let parts = text.expose_secret().split(|c: char| c.is_whitespace() || c == ',');
        let keys = parts.filter(|part| !part.is_empty()).map(|part| Self::parse(&part.into()));
        let keys = keys.collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() { Err(VaultError::BadKey) } else { Ok(keys) }
    }

    /// Makes a new key; its digits are what [`MasterKey::parse`] reads.
    pub fn generate(rng: &mut impl CryptoRng) -> SecretString {
        let mut key = Zeroizing::new([0_u8; KEY_BYTES]);
        rng.fill_bytes(&mut *key);
        data_encoding::HEXLOWER.encode(&*key).into()
    }
}

/// Seals and opens credentials.
pub struct Vault {
    /// The first seals; all open, so that keys can be changed while the daemon runs.
    keys: Vec<MasterKey>,
}

impl Vault {
    /// A vault under one key or, during a rotation, several: the first is the one to seal with.
    pub fn new(keys: Vec<MasterKey>) -> Self {
        Self { keys }
    }

    fn first(&self) -> Result<&MasterKey, VaultError> {
        self.keys.first().ok_or(VaultError::BadKey)
    }

    /// A key of its own for a purpose, which follows from the first master key and tells nothing about it. A new master
    /// key makes other keys: only for what can be made again.
    ///
    /// # Errors
    /// There is no key.
    pub fn derived(&self, purpose: &str) -> Result<Zeroizing<[u8; KEY_BYTES]>, VaultError> {
        let mut code = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(&*self.first()?.0)
            .map_err(|_| VaultError::BadKey)?;
        code.update(b"ml-connector derived key 1\n");
        code.update(purpose.as_bytes());
        Ok(Zeroizing::new(code.finalize().into_bytes().into()))
    }

    /// Unwraps a data key with whichever master key fits; says whether that is the first.
    fn unwrap(
        &self,
        binding: &Binding<'_>,
        outer: &[u8],
        wrapped: &[u8],
    ) -> Result<(Zeroizing<[u8; KEY_BYTES]>, bool), VaultError> {
        for (n, master) in self.keys.iter().enumerate() {
            if let Ok(key) = decrypt(&master.0, outer, wrapped, binding) {
                let key = <[u8; KEY_BYTES]>::try_from(&key[..]).map_err(|_| VaultError::Refused)?;
                return Ok((Zeroizing::new(key), n == 0));
            }
        }
        Err(VaultError::Refused)
    }

    /// Wraps a sealed credential's data key under the first key. The credential itself is not opened. `None` if it is
    /// wrapped so already.
    ///
    /// # Errors
    /// No key of this vault fits.
    pub fn rewrapped(
        &self,
        binding: Binding<'_>,
        sealed: &[u8],
        rng: &mut impl CryptoRng,
    ) -> Result<Option<Vec<u8>>, VaultError> {
        let Parts { outer, wrapped, inner, text } = Parts::of(sealed)?;
        let (data_key, first) = self.unwrap(&binding, outer, wrapped)?;
        if first {
            return Ok(None);
        }
        let mut outer = [0_u8; NONCE_BYTES];
        rng.fill_bytes(&mut outer);
        let wrapped = encrypt(&self.first()?.0, &outer, &*data_key, &binding)?;
        Ok(Some([&[FORMAT], &outer[..], &wrapped, inner, text].concat()))
    }

    /// Seals a credential.
    ///
    /// # Errors
    /// The cipher refuses, which it does for texts of many gigabytes only.
    pub fn seal(
        &self,
        binding: Binding<'_>,
        secret: &SecretString,
        rng: &mut impl CryptoRng,
    ) -> Result<Vec<u8>, VaultError> {
        let mut data_key = Zeroizing::new([0_u8; KEY_BYTES]);
        let (mut outer, mut inner) = ([0_u8; NONCE_BYTES], [0_u8; NONCE_BYTES]);
        rng.fill_bytes(&mut *data_key);
        rng.fill_bytes(&mut outer);
        rng.fill_bytes(&mut inner);
        let wrapped = encrypt(&self.first()?.0, &outer, &*data_key, &binding)?;
        let text = encrypt(&data_key, &inner, secret.expose_secret().as_bytes(), &binding)?;
        Ok([&[FORMAT], &outer[..], &wrapped, &inner, &text].concat())
    }

    /// Opens a credential.
    ///
    /// # Errors
    /// It is not what was sealed for this binding under this master key.
    pub fn open(&self, binding: Binding<'_>, sealed: &[u8]) -> Result<SecretString, VaultError> {
        let Parts { outer, wrapped, inner, text } = Parts::of(sealed)?;
        let (data_key, _) = self.unwrap(&binding, outer, wrapped)?;
        let text = decrypt(&data_key, inner, text, &binding)?;
        let text = std::str::from_utf8(&text).map_err(|_| VaultError::Refused)?;
        Ok(SecretString::from(text.to_owned()))
    }
}

/// What is sealed, in its parts.
struct Parts<'a> {
    outer: &'a [u8],
    wrapped: &'a [u8],
    inner: &'a [u8],
    text: &'a [u8],
}

impl<'a> Parts<'a> {
    fn of(sealed: &'a [u8]) -> Result<Self, VaultError> {
        if sealed.len() < HEADER_BYTES + TAG_BYTES || sealed[0] != FORMAT {
            return Err(VaultError::BadFormat);
        }
        let (outer, rest) = sealed[1..].split_at(NONCE_BYTES);
        let (wrapped, rest) = rest.split_at(WRAPPED_BYTES);
        let (inner, text) = rest.split_at(NONCE_BYTES);
        Ok(Self { outer, wrapped, inner, text })
    }
}

fn encrypt(
    key: &[u8; KEY_BYTES],
    nonce: &[u8; NONCE_BYTES],
    text: &[u8],
    binding: &Binding<'_>,
) -> Result<Vec<u8>, VaultError> {
    let cipher = Aes256Gcm::new(&Key::<Aes256Gcm>::from(*key));
    cipher
        .encrypt(&Nonce::from(*nonce), Payload { msg: text, aad: &binding.bytes() })
        .map_err(|_| VaultError::Refused)
}

fn decrypt(
    key: &[u8; KEY_BYTES],
    nonce: &[u8],
    sealed: &[u8],
    binding: &Binding<'_>,
) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    let nonce = <[u8; NONCE_BYTES]>::try_from(nonce).map_err(|_| VaultError::BadFormat)?;
    let cipher = Aes256Gcm::new(&Key::<Aes256Gcm>::from(*key));
    cipher
        .decrypt(&Nonce::from(nonce), Payload { msg: sealed, aad: &binding.bytes() })
        .map(Zeroizing::new)
        .map_err(|_| VaultError::Refused)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng as _;

    const BINDING: Binding<'_> = Binding { tenant: "t", seller: "s", kind: "k", version: 1 };

    fn vault(digit: &str) -> Vault {
        Vault::new(MasterKey::parse_all(&digit.repeat(64).into()).expect("a key"))
    }

    fn sealed() -> Vec<u8> {
        let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(7);
        vault("a").seal(BINDING, &"Atzr|secret".into(), &mut rng).expect("seals")
    }

    #[test]
    fn a_derived_key_is_for_one_purpose_under_one_master_key() {
        let key = |digit: &str, purpose: &str| *vault(digit).derived(purpose).expect("a key");
        assert_eq!(key("a", "cache"), key("a", "cache"));
        assert_ne!(key("a", "cache"), key("a", "other"));
        assert_ne!(key("a", "cache"), key("b", "cache"));
        assert_ne!(key("a", "cache"), [0xaa; KEY_BYTES], "it is not the master key");
    }

    #[test]
    fn what_is_sealed_opens_where_it_belongs() {
        let opened = vault("a").open(BINDING, &sealed()).expect("opens");
        assert_eq!(opened.expose_secret(), "Atzr|secret");
        assert!(!sealed().windows(6).any(|window| window == b"secret"));
    }

    #[test]
    fn a_new_key_takes_over_without_a_moment_when_nothing_opens() {
        let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(8);
        let both = format!("{}\n{}\n", "b".repeat(64), "a".repeat(64));
        let both = Vault::new(MasterKey::parse_all(&both.into()).expect("two keys"));
        assert_eq!(
            both.open(BINDING, &sealed()).expect("the old one still opens").expose_secret(),
            "Atzr|secret"
        );
        let wrapped = both.rewrapped(BINDING, &sealed(), &mut rng).expect("fits").expect("is new");
        assert_eq!(both.rewrapped(BINDING, &wrapped, &mut rng).expect("fits"), None);
        assert!(vault("b").open(BINDING, &wrapped).is_ok() && vault("a").open(BINDING, &wrapped).is_err());
        assert!(both.rewrapped(Binding { seller: "x", ..BINDING }, &sealed(), &mut rng).is_err());
        let made = MasterKey::generate(&mut rng);
        assert!(MasterKey::parse(&made).is_ok());
        assert_eq!(MasterKey::parse_all(&" , ".into()).err(), Some(VaultError::BadKey));
    }

    #[test]
    fn every_flipped_bit_is_refused() {
        for byte in 0..sealed().len() {
            for bit in 0..8 {
                let mut altered = sealed();
                altered[byte] ^= 1 << bit;
                assert!(vault("a").open(BINDING, &altered).is_err(), "byte {byte} bit {bit}");
            }
        }
    }

    #[test]
    fn another_row_another_key_and_a_cut_are_refused() {
        let others = [
            Binding { seller: "x", ..BINDING },
            Binding { tenant: "ts", seller: "", ..BINDING },
            Binding { kind: "x", ..BINDING },
            Binding { version: 2, ..BINDING },
        ];
        for binding in others {
            assert_eq!(vault("a").open(binding, &sealed()).err(), Some(VaultError::Refused), "{binding:?}");
        }
        assert_eq!(vault("b").open(BINDING, &sealed()).err(), Some(VaultError::Refused));
        for length in 0..HEADER_BYTES + TAG_BYTES {
            assert_eq!(vault("a").open(BINDING, &sealed()[..length]).err(), Some(VaultError::BadFormat));
        }
        assert_eq!(MasterKey::parse(&"a".repeat(63).into()).err(), Some(VaultError::BadKey));
        assert_eq!(MasterKey::parse(&"g".repeat(64).into()).err(), Some(VaultError::BadKey));
    }
}
