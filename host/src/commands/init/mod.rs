//! `init`: asks what a configuration needs and writes one that works, with a starter catalog and a master key.
//!
//! Nothing is written over, and no secret is asked for: the configuration names the files that will hold them. What is
//! written has passed the same check as `config check`.

mod files;
mod questions;
mod simulated;

use std::path::{Path, PathBuf};

use ml_connector_domain::Clock as _;
use ml_connector_remote::SystemClock;
use serde_json::json;

use super::{Outcome, say};
use crate::config_load::{self, Source};
use questions::Answers;

type Failure = Box<dyn std::error::Error>;

/// Where answers come from; what is left open is asked for.
#[derive(clap::Args)]
pub(crate) struct InitRequest {
    /// A TOML file with answers, e.g. seller_id = "A3FEXAMPLE"; `init --questions` lists their names
    #[arg(long, value_name = "FILE")]
    answers: Option<PathBuf>,
    /// One answer, over the file's, e.g. --answer region=eu
    #[arg(long, value_name = "NAME=VALUE")]
    answer: Vec<String>,
    /// Set it up for a simulator: a file with the line that `ml-connector-simulator serve` prints. Asks nothing
    #[arg(long, value_name = "FILE")]
    simulator: Option<PathBuf>,
    /// List what is asked, with defaults, and write nothing
    #[arg(long)]
    questions: bool,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

/// What is to be written, and what is left for the operator to do.
struct Draft {
    config: toml::Table,
    catalog: String,
    /// Files with secrets; only a simulator tells any.
    secrets: Vec<(String, String)>,
    next: Vec<String>,
}

/// Asks, writes, checks.
pub(crate) async fn init(source: &Source, request: InitRequest) -> Outcome {
    if request.questions {
        questions::list();
        return Ok(());
    }
    let folder = source.path.parent().unwrap_or(Path::new(""));
    files::refuse_what_is_there(&source.path, folder)?;
    let mut answers = Answers::read(request.answers.as_deref(), &request.answer)?;
    let draft = match &request.simulator {
        Some(ready) => simulated::draft(ready, answers).await?,
        None => {
            answers.ask(!request.json)?;
            questions::draft(&answers, SystemClock.now())?
        }
    };
    let written = files::write(&source.path, folder, &draft, |path| {
        let checked = Source { path: path.to_owned(), overrides: source.overrides.clone() };
        config_load::load(&checked).map(|_| ())
    })?;
    if request.json {
        say(&json!({ "config": source.path, "written": written, "next": draft.next }).to_string());
        return Ok(());
    }
    for path in &written {
        say(&format!("{} is written", path.display()));
    }
    say("the configuration is right; what to do next:");
    for (step, number) in draft.next.iter().zip(1..) {
        say(&format!("  {number}. {step}"));
    }
    Ok(())
}
