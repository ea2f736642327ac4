//! Checkpoints: the size and root of the log at a time, as text to be signed (C2SP tlog-checkpoint).
//!
//! ```text
//! ml-connector.audit/5f0c3a9d1b7e2c44
//! 20852
//! CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
//! time 2026-10-31T00:00:00Z
//! ```
//!
//! The time stands on an extension line, so that it is signed, too.

use jiff::Timestamp;

use super::merkle::Hash;

/// What is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log.
    pub origin: String,
    /// Its leaves.
    pub size: u64,
    /// Its root.
    pub root: Hash,
    /// When it was made, by the daemon's clock.
    pub at: Timestamp,
}

impl Checkpoint {
    /// The text, each line ended.
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\ntime {}\n", self.origin, self.size, self.root.base64(), self.at)
    }

    /// Reads what [`Checkpoint::text`] writes, and nothing else.
    ///
    /// # Errors
    /// Says which line is not as it has to be.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut lines = text.lines();
        let mut line = |what: &str| lines.next().ok_or_else(|| format!("it has no line with {what}"));
        let origin = line("the origin")?.to_owned();
        let size = line("the size")?;
        let size = size.parse().map_err(|_| format!("`{size}` is no size"))?;
        let root = line("the root")?;
        let root = Hash::from_base64(root).ok_or_else(|| format!("`{root}` is no root hash"))?;
        let at = line("the time")?;
        let at = at.strip_prefix("time ").and_then(|at| at.parse().ok());
        let at = at.ok_or("its time cannot be read")?;
        let checkpoint = Self { origin, size, root, at };
        // Whatever is not exactly what we write could be read in two ways.
        if checkpoint.text() == text { Ok(checkpoint) } else { Err("it is not in canonical form".to_owned()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        let at = "2026-10-31T00:00:00Z".parse().expect("a time");
        let checkpoint =
            Checkpoint { origin: "ml-connector.audit/x".to_owned(), size: 12, root: Hash::empty(), at };
        let text = checkpoint.text();
        assert_eq!(Checkpoint::parse(&text), Ok(checkpoint));
        for (from, to) in
            [("12\n", "012\n"), ("12\n", "+12\n"), ("Z\n", "Z"), ("Z\n", "Z\nmore\n"), ("=", "")]
        {
            let altered = text.replace(from, to);
            assert!(altered != text && Checkpoint::parse(&altered).is_err(), "{altered}");
        }
        assert!(Checkpoint::parse("").expect_err("empty").contains("origin"));
    }
}
