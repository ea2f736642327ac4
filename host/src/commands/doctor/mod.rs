//! `doctor`: everything that the daemon needs, looked at one by one. It goes on after a fault, names what is wrong and what to
//! do, and changes nothing: a database that is not there yet is not made, one of an older version is not brought up to date.
//!
//! # To add a check
//!
//! A function in `machine` or `parts` that yields [`Finding`]s, and a line in [`examine`]. Its code stands in
//! `host/docs/running.md`, and a test plants the fault.

mod machine;
mod parts;

use std::fmt;

use serde::Serialize;
use serde_json::json;

use super::{Outcome, say, with_causes};
use crate::config::Config;
use crate::config_load::{self, Source};

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Level {
    /// As it should be.
    Right,
    /// It works, and will not for ever.
    Warning,
    /// The daemon cannot work like this.
    Fault,
}

/// What a check found.
#[derive(Debug, Clone, Serialize)]
struct Finding {
    level: Level,
    /// Stable, one for each check.
    code: &'static str,
    /// What was looked at.
    about: String,
    /// What was seen.
    seen: String,
    /// What to do; nothing where all is right.
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<&'static str>,
}

impl Finding {
    fn right(code: &'static str, about: impl Into<String>, seen: impl Into<String>) -> Self {
        Self { level: Level::Right, code, about: about.into(), seen: seen.into(), remedy: None }
    }

    fn warning(
        code: &'static str,
        about: impl Into<String>,
        seen: impl Into<String>,
        remedy: &'static str,
    ) -> Self {
        Self { level: Level::Warning, remedy: Some(remedy), ..Self::right(code, about, seen) }
    }

    fn fault(
        code: &'static str,
        about: impl Into<String>,
        seen: impl Into<String>,
        remedy: &'static str,
    ) -> Self {
        Self { level: Level::Fault, remedy: Some(remedy), ..Self::right(code, about, seen) }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Right => "right  ",
            Level::Warning => "warning",
            Level::Fault => "FAULT  ",
        };
        write!(f, "{level} {} {}: {}", self.code, self.about, self.seen.trim_end())?;
        match self.remedy {
            Some(remedy) => write!(f, "\n        -> {remedy}"),
            None => Ok(()),
        }
    }
}

/// Looks at everything and says what it found.
///
/// # Errors
/// `DOC-FAULTS`: something is a fault.
pub(crate) async fn doctor(source: &Source, as_json: bool) -> Outcome {
    let findings = examine(source).await;
    let of = |level: Level| findings.iter().filter(|finding| finding.level == level).count();
    let (faults, warnings) = (of(Level::Fault), of(Level::Warning));
    if as_json {
        say(&json!({ "faults": faults, "warnings": warnings, "findings": findings }).to_string());
    } else {
        findings.iter().for_each(|finding| say(&finding.to_string()));
        say(&format!("{} checks: {faults} faults, {warnings} warnings", findings.len()));
    }
    match faults {
        0 => Ok(()),
        count => Err(format!("DOC-FAULTS: {count} found; each says what to do").into()),
    }
}

/// All checks, those first on which others rest.
async fn examine(source: &Source) -> Vec<Finding> {
    let config = match config_load::load(source) {
        Ok(config) => config,
        Err(error) => {
            let seen = with_causes(&error);
            let remedy = "mend the configuration; nothing else can be looked at before";
            return vec![Finding::fault("DOC-CONFIG", source.path.display().to_string(), seen, remedy)];
        }
    };
    let mut findings = vec![Finding::right(
        "DOC-CONFIG",
        source.path.display().to_string(),
        format!("{} sellers", config.sellers.len()),
    )];
    findings.extend(machine::limits(&config));
    findings.extend(machine::secret_files(&config));
    findings.extend(parts::catalogs(&config));
    findings.extend(parts::mappers(&config));
    let usable = machine::database(&config).await;
    // Opening one of an older version would bring it up to date.
    let opens = usable.level == Level::Right;
    findings.push(usable);
    if opens {
        findings.push(machine::unrestored(&config).await);
        findings.extend(remotes(config).await);
    }
    findings
}

/// What needs an open database: credentials, and whom they are for.
async fn remotes(config: Config) -> Vec<Finding> {
    match parts::Open::of(config).await {
        Ok(open) => {
            let mut findings = open.credentials().await;
            findings.extend(open.amazon().await);
            findings.extend(open.fusion().await);
            findings.extend(open.clocks().await);
            open.close().await;
            findings
        }
        Err(error) => {
            let remedy = "see the findings above; nothing about the remotes can be asked before";
            vec![Finding::fault("DOC-CREDENTIALS", "credentials", error.to_string(), remedy)]
        }
    }
}
