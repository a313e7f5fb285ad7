//! A call and its peers: frames to datagrams, datagrams to packets, and where each peer stands. Pure.

pub mod address;
pub mod state;

pub use address::Address;
pub use state::{CallState, Reason};
