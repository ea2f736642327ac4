//! What a service manager is told (systemd's notify protocol), and how long stopping may take.
//!
//! Without a manager, `NOTIFY_SOCKET` is not set and every message goes nowhere.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use ml_connector_domain::Clock;
use ml_connector_pipeline::pulse::Pulse;
use ml_connector_remote::SystemClock;
use sd_notify::NotifyState;

/// How long a worker may neither finish a stage nor sleep before it counts as hung. A stage that reads two years of history
/// for the first time takes long; a worker that waits for a lock for ever takes longer.
const HUNG_AFTER: SignedDuration = SignedDuration::from_hours(2);

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "the service manager cannot be told how the daemon is");
    }
}

/// The workers run.
pub(crate) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// The configuration is read again; [`ready`] follows.
pub(crate) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::warn!(%error, "the machine's monotonic clock cannot be read"),
    }
}

/// The workers end.
pub(crate) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Tells the manager that the daemon is alive for as long as every worker is. Never ends; does nothing where the manager
/// wants to hear nothing (`WatchdogSec=`).
pub(crate) async fn keep_alive(pulse: &Pulse, clock: Arc<dyn Clock>) {
    let Some(every) = sd_notify::watchdog_enabled() else { return std::future::pending().await };
    // Twice in each span, so that one late message ends nothing.
    let every = every / 2;
    loop {
        match hung(pulse, &*clock) {
            None => tell(&[NotifyState::Watchdog]),
            Some(seller) => {
                tracing::error!(%seller, "a worker gives no sign of life: the service manager is not told that all is well");
            }
        }
        wait(every).await;
    }
}

fn hung(pulse: &Pulse, clock: &dyn Clock) -> Option<ml_connector_domain::SellerId> {
    let now = clock.now();
    pulse.beats().into_iter().find(|(_, beat)| beat.is_late(now, HUNG_AFTER)).map(|(seller, _)| seller)
}

/// Waits on the machine's clock, whatever clock the workers have.
pub(crate) async fn wait(span: Duration) {
    let span = SignedDuration::try_from(span).unwrap_or(SignedDuration::MAX);
    let until = SystemClock.now().saturating_add(span).unwrap_or(jiff::Timestamp::MAX);
    SystemClock.sleep_until(until).await;
}

/// Hears when the daemon is to stop: SIGTERM, and Ctrl-C.
pub(crate) struct StopSignals(Option<tokio::signal::unix::Signal>);

impl StopSignals {
    /// Listens from now on.
    pub(crate) fn listen() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(terminate) => Self(Some(terminate)),
            Err(error) => {
                tracing::warn!(%error, "cannot listen for SIGTERM");
                Self(None)
            }
        }
    }

    /// Waits for the next of them.
    pub(crate) async fn next(&mut self) {
        let terminated = async {
            match &mut self.0 {
                Some(terminate) => drop(terminate.recv().await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = terminated => {}
            _ = tokio::signal::ctrl_c() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use ml_connector_domain::{SellerId, Timestamp};
    use ml_connector_remote::SteppedClock;

    use super::*;

    #[test]
    fn a_worker_that_is_silent_for_too_long_is_named() {
        let began: Timestamp = "2026-10-01T00:00:00Z".parse().expect("a time");
        let (pulse, seller) = (Pulse::default(), SellerId::new("A1"));
        pulse.beat(&seller, began);
        let later = |hours: i64| began.saturating_add(SignedDuration::from_hours(hours)).expect("in range");
        assert_eq!(hung(&pulse, &SteppedClock::new(later(2), None)), None);
        assert_eq!(hung(&pulse, &SteppedClock::new(later(3), None)), Some(seller.clone()));
        pulse.sleeps(&seller, began, later(5));
        assert_eq!(hung(&pulse, &SteppedClock::new(later(3), None)), None, "it sleeps");
    }
}
