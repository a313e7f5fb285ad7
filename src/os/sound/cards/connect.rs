//! Connections to audio hosts. The one to PulseAudio is kept for the whole program: cpal never ends one, so a new one for each
//! question would leave a thread here and a client there each time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cpal::traits::HostTrait;
use cpal::{ErrorKind, HostId};

use super::super::OpenError;
use super::PULSE;

/// A server that does not answer in this time is taken for a dead one.
const ANSWER_MAX: Duration = Duration::from_secs(2);

static KEPT: Mutex<Option<Arc<cpal::Host>>> = Mutex::new(None);

fn kept() -> MutexGuard<'static, Option<Arc<cpal::Host>>> {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A connection that answers.
///
/// # Errors
/// There is none to be had.
pub(super) fn connect(id: HostId) -> Result<Arc<cpal::Host>, OpenError> {
    if id.to_string() != PULSE {
        return make(id);
    }
    let old = kept().clone();
    if let Some(host) = old.filter(answers) {
        return Ok(host);
    }
    let host = make(id)?;
    *kept() = Some(host.clone());
    Ok(host)
}

fn make(id: HostId) -> Result<Arc<cpal::Host>, OpenError> {
    cpal::host_from_id(id).map(Arc::new).map_err(|error| {
        tracing::info!("host {id}: {error}");
        match error.kind() {
            ErrorKind::PermissionDenied => OpenError::HostRefuses(id.to_string()),
            _ => OpenError::HostDown(id.to_string()),
        }
    })
}

/// Asked on a thread of its own: cpal waits for ever for a server that hangs.
fn answers(host: &Arc<cpal::Host>) -> bool {
    let (host, (told, answer)) = (host.clone(), crossbeam_channel::bounded(1));
    let asking = std::thread::Builder::new().name("ask-host".into()).spawn(move || {
        let _ = told.send(host.devices().is_ok());
    });
    asking.is_ok() && answer.recv_timeout(ANSWER_MAX).unwrap_or(false)
}
