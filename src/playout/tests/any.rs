//! Any packets and any pulls: finite, bounded, and alive afterwards.

use std::time::Instant;

use proptest::prelude::*;

use crate::playout::check;

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_came_good_packets_are_heard_afterwards(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        check::playout(Instant::now(), &bytes);
    }
}

#[test]
fn the_fuzz_corpus_holds() {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/playout");
    // A published package has no corpus.
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for entry in entries {
        check::playout(Instant::now(), &std::fs::read(entry.expect("a readable entry").path()).expect("a readable file"));
    }
}
