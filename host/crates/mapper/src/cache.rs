//! Compiled forms on disk.
//!
//! A compiled form is machine code that is run as it is, so none is taken that this host did not make itself: each
//! stands under a code (HMAC-SHA-256) made with a key that only the host has. It is only a cache: what is missing,
//! tampered with, or made by another engine, for another processor or under other rules is made again from the
//! component, which is kept for ever.

use std::fmt::Write as _;
use std::fs;
use std::hash::{Hash as _, Hasher};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use hmac::{Hmac, KeyInit as _, Mac as _};
use ml_connector_domain::id::ContentHash;
use sha2::{Digest as _, Sha256};
use wasmtime::Engine;
use zeroize::Zeroizing;

use crate::fuel;

/// First bytes of a cache file: the version of its layout.
const MAGIC: &[u8; 8] = b"MLCMAP1\n";
/// Bytes of the code that follows.
const CODE_BYTES: usize = 32;

/// The key that compiled forms stand under.
#[derive(Clone)]
pub struct CacheKey(Zeroizing<[u8; 32]>);

impl CacheKey {
    /// A key. Derive it from the host's master key; it must not lie beside the files.
    pub fn new(key: [u8; 32]) -> Self {
        Self(Zeroizing::new(key))
    }
}

impl std::fmt::Debug for CacheKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CacheKey(..)")
    }
}

/// Which engine a form was compiled by and for: its release, its configuration, the processor's features and the fuel
/// schedule, as a hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EngineKey(String);

/// The key of an engine.
pub(crate) fn engine_key(engine: &Engine) -> EngineKey {
    struct Sha(Sha256);
    impl Hasher for Sha {
        fn finish(&self) -> u64 {
            0
        }
        fn write(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }
    }
    let mut sha = Sha(Sha256::new());
    engine.precompile_compatibility_hash().hash(&mut sha);
    sha.write_u32(fuel::SCHEDULE);
    EngineKey(data_encoding::HEXLOWER.encode(&sha.0.finalize()))
}

/// A folder of compiled forms.
#[derive(Debug, Clone)]
pub struct CompiledCache {
    folder: PathBuf,
    key: CacheKey,
}

/// What a look into the cache brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    /// A form that this host made.
    Compiled(Vec<u8>),
    /// None.
    Nothing,
    /// A file that this host did not make, or that was changed since.
    Forged,
}

impl CompiledCache {
    /// Opens a folder, and makes it if there is none.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn open(folder: impl Into<PathBuf>, key: CacheKey) -> io::Result<Self> {
        let folder = folder.into();
        fs::create_dir_all(&folder)?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))?;
        }
        Ok(Self { folder, key })
    }

    /// Where the compiled forms of a component lie, by the rules that it was admitted under.
    fn path(&self, entry: &Entry<'_>) -> PathBuf {
        let mut name = entry.digest.as_str().to_owned();
        let rules = ContentHash::of(entry.rules.as_bytes());
        let _written = write!(name, ".{}.{}.cwasm", &entry.engine.0[..16], &rules.as_str()[..8]);
        self.folder.join(name)
    }

    fn code(&self, entry: &Entry<'_>, compiled: &[u8]) -> Hmac<Sha256> {
        let mut code = Hmac::<Sha256>::new_from_slice(&*self.key.0).expect("HMAC takes keys of any length");
        for part in [entry.digest.as_str().as_bytes(), entry.engine.0.as_bytes(), entry.rules.as_bytes()] {
            code.update(&(part.len() as u64).to_le_bytes());
            code.update(part);
        }
        code.update(compiled);
        code
    }

    /// Looks for a compiled form. What is forged is removed.
    pub(crate) fn get(&self, entry: &Entry<'_>) -> Found {
        let path = self.path(entry);
        let Ok(mut file) = fs::read(&path) else { return Found::Nothing };
        let header = MAGIC.len() + CODE_BYTES;
        let genuine = file.len() > header
            && file.starts_with(MAGIC)
            && self.code(entry, &file[header..]).verify_slice(&file[MAGIC.len()..header]).is_ok();
        if !genuine {
            let _gone = fs::remove_file(&path);
            return Found::Forged;
        }
        file.drain(..header);
        Found::Compiled(file)
    }

    /// Keeps a compiled form: whole or not at all.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn put(&self, entry: &Entry<'_>, compiled: &[u8]) -> io::Result<()> {
        let path = self.path(entry);
        let partial = path.with_extension(format!("partial-{}", std::process::id()));
        write_new(&partial, &[MAGIC, &self.code(entry, compiled).finalize().into_bytes(), compiled])?;
        fs::rename(&partial, &path)
    }
}

fn write_new(path: &Path, parts: &[&[u8]]) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let mut file = options.open(path)?;
    parts.iter().try_for_each(|part| file.write_all(part))
}

/// What a compiled form is found by.
#[derive(Clone, Copy)]
pub(crate) struct Entry<'a> {
    /// The component.
    pub(crate) digest: &'a ContentHash,
    /// What compiled it.
    pub(crate) engine: &'a EngineKey,
    /// What it was admitted under: a form made under a looser policy is none under a stricter one.
    pub(crate) rules: &'a str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_this_host_made_is_found() {
        let folder = std::env::temp_dir().join(format!("ml-connector-cache-{}", std::process::id()));
        let cache = CompiledCache::open(&folder, CacheKey::new([7; 32])).expect("opens");
        let other = CompiledCache::open(&folder, CacheKey::new([8; 32])).expect("opens");
        let (digest, engine) =
            (ContentHash::of(b"component"), EngineKey(ContentHash::of(b"e").as_str().to_owned()));
        let entry = Entry { digest: &digest, engine: &engine, rules: "strict" };
        assert_eq!(cache.get(&entry), Found::Nothing);
        cache.put(&entry, b"machine code").expect("writes");
        assert_eq!(cache.get(&entry), Found::Compiled(b"machine code".to_vec()));
        assert_eq!(cache.get(&Entry { rules: "loose", ..entry }), Found::Nothing);
        assert_eq!(other.get(&entry), Found::Forged, "made under another key");
        assert_eq!(cache.get(&entry), Found::Nothing, "what is forged is removed");
        cache.put(&entry, b"machine code").expect("writes");
        for at in [0, MAGIC.len(), MAGIC.len() + CODE_BYTES, MAGIC.len() + CODE_BYTES + 11] {
            let path = cache.path(&entry);
            let mut file = fs::read(&path).expect("kept");
            file[at] ^= 1;
            fs::write(&path, &file).expect("writes");
            assert_eq!(cache.get(&entry), Found::Forged, "byte {at}");
            cache.put(&entry, b"machine code").expect("writes");
        }
        // A genuine form of another component, under this one's name.
        let stranger = ContentHash::of(b"another");
        cache.put(&Entry { digest: &stranger, ..entry }, b"other code").expect("writes");
        fs::copy(cache.path(&Entry { digest: &stranger, ..entry }), cache.path(&entry)).expect("copies");
        assert_eq!(cache.get(&entry), Found::Forged);
        fs::remove_dir_all(&folder).expect("is removed");
    }
}
