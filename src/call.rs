//! A call and its peers: frames to datagrams, datagrams to packets, and where each peer stands. Pure.

pub mod state;

pub use state::{CallState, Reason};
