//! Page tokens: where to go on, for which parameters, and until when.

use base64::Engine as _;
use sha2::{Digest as _, Sha256};

use crate::http::Incoming;

/// A token names the last record of the page before it, so that a world that moves between two pages loses none.
pub(super) struct PageToken {
    /// Time and index of the last record.
    pub(super) after: (i64, usize),
    /// When it was made.
    pub(super) made: i64,
}

const CODEC: base64::engine::GeneralPurpose = base64::engine::general_purpose::STANDARD;

/// The parameters that must be repeated unchanged with a token.
fn fingerprint(request: &Incoming, free: &[&str]) -> String {
    let mut fixed: Vec<&(String, String)> =
        request.query.iter().filter(|(name, _)| !free.contains(&name.as_str())).collect();
    fixed.sort();
    let hash = Sha256::digest(format!("{fixed:?}").as_bytes());
    data_encoding::HEXLOWER.encode(&hash[..8])
}

/// Makes a token for going on behind a record.
pub(super) fn encode(request: &Incoming, free: &[&str], after: (i64, usize), made: i64) -> String {
    let text = format!("{}?{}?{}?{}>", fingerprint(request, free), after.0, after.1, made);
    CODEC.encode(text)
}

/// Makes a token that travels alone.
pub(super) fn encode_alone(after: (i64, usize), made: i64) -> String {
    let nothing = Sha256::digest(format!("{:?}", Vec::<&(String, String)>::new()).as_bytes());
    let text = format!("{}?{}?{}?{made}>", data_encoding::HEXLOWER.encode(&nothing[..8]), after.0, after.1);
    CODEC.encode(text)
}

/// Whether a token is too old, whatever else it is: nobody can see that from it, so who sends it has asked nothing malformed.
pub(super) fn is_expired(token: &str, now: i64, life: i64) -> bool {
    let made = || -> Option<i64> {
        let text = String::from_utf8(CODEC.decode(token).ok()?).ok()?;
        text.strip_suffix('>')?.rsplit('?').next()?.parse().ok()
    };
    made().is_some_and(|made| now - made > life)
}

/// Reads a token back; `None` if it was altered or its parameters were changed.
pub(super) fn decode(request: &Incoming, free: &[&str], token: &str) -> Option<PageToken> {
    let text = String::from_utf8(CODEC.decode(token).ok()?).ok()?;
    let mut parts = text.strip_suffix('>')?.split('?');
    if parts.next()? != fingerprint(request, free) {
        return None;
    }
    let (time, index, made) = (parts.next()?, parts.next()?, parts.next()?);
    Some(PageToken { after: (time.parse().ok()?, index.parse().ok()?), made: made.parse().ok()? })
}
