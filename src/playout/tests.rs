//! Playout in virtual time.

mod any;
mod network;
mod sim;
mod stream;
