//! The sounds that the built-in talker can make, as formants and noises (after Peterson and Barney 1952, Klatt 1980). Pure.

/// A vowel: first three formants, Hz.
pub(super) const VOWELS: [[f32; 3]; 9] = [
    [730.0, 1_090.0, 2_440.0],
    [660.0, 1_720.0, 2_410.0],
    [530.0, 1_840.0, 2_480.0],
    [390.0, 1_990.0, 2_550.0],
    [280.0, 2_250.0, 2_950.0],
    [570.0, 850.0, 2_410.0],
    [440.0, 1_020.0, 2_240.0],
    [320.0, 900.0, 2_240.0],
    [500.0, 1_450.0, 2_450.0],
];

/// How a consonant is made.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Manner {
    /// Voice through a narrow mouth or the nose: l r w y m n.
    Sonorant { voicing: f32, damping: f32, ms: f32 },
    /// Hiss; `voicing` above 0 for v and z.
    Fricative { hz: f32, hiss: f32, voicing: f32, ms: f32 },
    /// The mouth shuts, then bursts open: p t k b d g.
    Stop { hz: f32, burst: f32, voicing: f32, shut_ms: f32 },
    /// h: breath through the mouth of the vowel to come.
    Breath,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Consonant {
    /// Where the formants go while it lasts, Hz.
    pub(super) formants: [f32; 3],
    pub(super) manner: Manner,
}

const fn sonorant(formants: [f32; 3], voicing: f32, damping: f32, ms: f32) -> Consonant {
    Consonant { formants, manner: Manner::Sonorant { voicing, damping, ms } }
}

const fn fricative(formants: [f32; 3], hz: f32, hiss: f32, voicing: f32, ms: f32) -> Consonant {
    Consonant { formants, manner: Manner::Fricative { hz, hiss, voicing, ms } }
}

const fn stop(formants: [f32; 3], hz: f32, burst: f32, voicing: f32, shut_ms: f32) -> Consonant {
    Consonant { formants, manner: Manner::Stop { hz, burst, voicing, shut_ms } }
}

pub(super) const CONSONANTS: [Consonant; 18] = [
    sonorant([260.0, 1_000.0, 2_200.0], 0.45, 110.0, 65.0),          // m
    sonorant([260.0, 1_500.0, 2_500.0], 0.45, 110.0, 60.0),          // n
    sonorant([360.0, 1_250.0, 2_700.0], 0.60, 30.0, 55.0),           // l
    sonorant([320.0, 1_060.0, 1_450.0], 0.60, 20.0, 60.0),           // r
    sonorant([290.0, 640.0, 2_150.0], 0.60, 20.0, 60.0),             // w
    sonorant([270.0, 2_150.0, 2_950.0], 0.60, 20.0, 50.0),           // y
    fricative([350.0, 1_700.0, 2_600.0], 6_500.0, 0.28, 0.0, 95.0),  // s
    fricative([330.0, 1_800.0, 2_500.0], 3_000.0, 0.26, 0.0, 95.0),  // sh
    fricative([340.0, 1_100.0, 2_200.0], 7_500.0, 0.10, 0.0, 80.0),  // f
    fricative([300.0, 1_100.0, 2_200.0], 7_000.0, 0.05, 0.4, 60.0),  // v
    fricative([300.0, 1_700.0, 2_600.0], 6_200.0, 0.12, 0.35, 70.0), // z
    stop([300.0, 900.0, 2_200.0], 1_200.0, 0.25, 0.0, 60.0),         // p
    stop([300.0, 1_750.0, 2_650.0], 4_200.0, 0.40, 0.0, 55.0),       // t
    stop([280.0, 1_900.0, 2_300.0], 2_200.0, 0.35, 0.0, 60.0),       // k
    stop([250.0, 900.0, 2_200.0], 1_000.0, 0.14, 0.16, 50.0),        // b
    stop([250.0, 1_750.0, 2_650.0], 3_600.0, 0.18, 0.16, 45.0),      // d
    stop([240.0, 1_900.0, 2_300.0], 2_000.0, 0.16, 0.16, 50.0),      // g
    Consonant { formants: [500.0, 1_450.0, 2_450.0], manner: Manner::Breath },
];

/// Consonants that may close a syllable: n, l, s, and m.
pub(super) const CODAS: [usize; 4] = [1, 2, 6, 0];
