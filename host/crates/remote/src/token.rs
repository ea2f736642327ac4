//! Access tokens, fetched by one caller at a time.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret as _, SecretString};

/// A token is not used any more this long before it expires: a call under way must not outlive it.
pub const MARGIN: SignedDuration = SignedDuration::from_secs(60);

/// An access token.
#[derive(Debug, Clone)]
pub struct Token {
    /// The token.
    pub secret: SecretString,
    /// When it ends.
    pub expires: Timestamp,
}

type Slot = Arc<tokio::sync::Mutex<Option<Token>>>;

/// Tokens by key.
#[derive(Debug, Default)]
pub struct TokenCache {
    slots: Mutex<HashMap<String, Slot>>,
}

impl TokenCache {
    fn slot(&self, key: &str) -> Slot {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(slots.entry(key.to_owned()).or_default())
    }

    /// The token of a key; `fetch` is called if there is none that lasts. However many ask, one fetches.
    ///
    /// `fetch` must not sleep on the clock: the others wait for it under a lock.
    ///
    /// # Errors
    /// What `fetch` fails with.
    pub async fn get<E, F>(
        &self,
        key: &str,
        now: Timestamp,
        fetch: impl FnOnce() -> F,
    ) -> Result<SecretString, E>
    where
        F: Future<Output = Result<Token, E>>,
    {
        let slot = self.slot(key);
        let mut held = slot.lock().await;
        if let Some(token) = held.as_ref().filter(|token| token.expires.duration_since(now) > MARGIN) {
            return Ok(token.secret.clone());
        }
        let token = fetch().await?;
        let secret = token.secret.clone();
        *held = Some(token);
        Ok(secret)
    }

    /// The token of a key, if there is one that lasts. For tokens that are fetched by calls that may have to wait.
    pub async fn held(&self, key: &str, now: Timestamp) -> Option<SecretString> {
        let slot = self.slot(key);
        let held = slot.lock().await;
        let lasting = held.as_ref().filter(|token| token.expires.duration_since(now) > MARGIN)?;
        Some(lasting.secret.clone())
    }

    /// Keeps a token that was fetched outside.
    pub async fn keep(&self, key: &str, token: Token) {
        *self.slot(key).lock().await = Some(token);
    }

    /// Forgets a token wherever it is kept.
    pub async fn forget(&self, refused: &SecretString) {
        let all: Vec<Slot> =
            self.slots.lock().unwrap_or_else(PoisonError::into_inner).values().map(Arc::clone).collect();
        for slot in all {
            slot.lock().await.take_if(|token| token.secret.expose_secret() == refused.expose_secret());
        }
    }

    /// Forgets a token that the remote refused, unless another one has taken its place already.
    pub async fn invalidate(&self, key: &str, refused: &SecretString) {
        let slot = self.slot(key);
        let mut held = slot.lock().await;
        if held.as_ref().is_some_and(|token| token.secret.expose_secret() == refused.expose_secret()) {
            *held = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicU32, Ordering};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + seconds).expect("in range")
    }

    async fn get(cache: &TokenCache, fetches: &AtomicU32, now: i64) -> String {
        let fetch = || async {
            let n = fetches.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            Ok::<_, Infallible>(Token { secret: format!("t{n}").into(), expires: at(now + 3_600) })
        };
        cache.get("k", at(now), fetch).await.expect("cannot fail").expose_secret().to_owned()
    }

    #[tokio::test]
    async fn one_of_many_fetches_and_all_get_its_token() {
        let (cache, fetches) = (TokenCache::default(), AtomicU32::new(0));
        let (a, b, c) =
            tokio::join!(get(&cache, &fetches, 0), get(&cache, &fetches, 0), get(&cache, &fetches, 0));
        assert_eq!(
            (a.as_str(), b.as_str(), c.as_str(), fetches.load(Ordering::SeqCst)),
            ("t0", "t0", "t0", 1)
        );
        assert_eq!(get(&cache, &fetches, 3_539).await, "t0");
        assert_eq!(get(&cache, &fetches, 3_540).await, "t1", "within the margin a new one is fetched");
    }

    #[tokio::test]
    async fn a_late_complaint_does_not_throw_away_a_newer_token() {
        let (cache, fetches) = (TokenCache::default(), AtomicU32::new(0));
        let old = SecretString::from(get(&cache, &fetches, 0).await);
        cache.invalidate("k", &old).await;
        assert_eq!(get(&cache, &fetches, 0).await, "t1");
        cache.invalidate("k", &old).await;
        assert_eq!(get(&cache, &fetches, 0).await, "t1");
        cache.forget(&old).await;
        assert_eq!(get(&cache, &fetches, 0).await, "t1");
        cache.forget(&"t1".into()).await;
        assert_eq!(get(&cache, &fetches, 0).await, "t2");
    }
}
