//! Processes that end with the task that started them, and what is asked of them.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;

/// A process that is killed when this is dropped. A signal from the terminal reaches it as well as us.
pub(crate) struct Child {
    process: Option<std::process::Child>,
}

impl Child {
    /// Starts a process.
    pub(crate) fn spawn(command: &mut Command) -> Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let process = command.spawn().with_context(|| format!("cannot start {name}"))?;
        Ok(Self { process: Some(process) })
    }

    /// Starts a process and waits for the line of JSON that says it is ready.
    pub(crate) fn with_ready_line(mut command: Command) -> Result<(Self, Value)> {
        let mut child = Self::spawn(command.stdout(Stdio::piped()))?;
        let stdout =
            child.process.as_mut().and_then(|process| process.stdout.take()).context("no standard output")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let ready =
            serde_json::from_str(&line).with_context(|| format!("no ready line but `{}`", line.trim()))?;
        Ok((child, ready))
    }

    /// Waits so long for the end.
    pub(crate) fn wait_for(&mut self, time: Duration) -> Result<Option<ExitStatus>> {
        std::thread::sleep(time);
        match &mut self.process {
            Some(process) => Ok(process.try_wait()?),
            None => Ok(None),
        }
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.process.as_ref().map_or(0, std::process::Child::id)
    }

    /// Asks it to end, and waits until it has.
    pub(crate) fn stop(mut self) -> Result<()> {
        let Some(mut process) = self.process.take() else { return Ok(()) };
        crate::process::run(Command::new("kill").args(["-TERM", &process.id().to_string()]))?;
        let status = process.wait()?;
        anyhow::ensure!(status.success(), "a process ended with {status}");
        Ok(())
    }

    /// Lets it live on; says its process id.
    pub(crate) fn leave(mut self) -> u32 {
        self.process.take().map_or(0, |process| process.id())
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ended_already = process.kill();
            let _reaped = process.wait();
        }
    }
}

/// Asks the simulator.
pub(crate) fn get(url: &str) -> Result<Value> {
    let text = ureq::get(url).call().and_then(|mut answer| answer.body_mut().read_to_string());
    let text = text.with_context(|| format!("cannot ask {url}"))?;
    Ok(serde_json::from_str(&text)?)
}

/// Tells the simulator.
pub(crate) fn put(url: &str, body: &Value) -> Result<()> {
    let request = ureq::put(url).header("content-type", "application/json");
    request.send(body.to_string()).with_context(|| format!("cannot tell {url}"))?;
    Ok(())
}
