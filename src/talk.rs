//! The talk key: key events and time to a lease to be on air. Pure.
