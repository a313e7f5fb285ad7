//! The resolver thread: one name at a time, so that a slow name server holds up nobody but the next name.

use std::net::SocketAddr;
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender};

use crate::os::socket;

/// A name to look up; the ticket comes back with the answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Question {
    pub ticket: u32,
    pub host: String,
    pub port: u16,
}

/// What the name means; the error is one sentence.
pub type Answer = (u32, Result<Vec<SocketAddr>, String>);

/// Answers until the receiver thread, which asks, is gone.
pub fn run(questions: &Receiver<Question>, answers: &Sender<Answer>, waker: &Arc<mio::Waker>) {
    for question in questions {
        let result = socket::resolve(&question.host, question.port);
        if answers.send((question.ticket, result)).is_err() {
            return;
        }
        let _ = waker.wake();
    }
}
