//! The cryptographic state with one peer. Pure. The sealed format grows here.
