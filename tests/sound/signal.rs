//! A test signal whose every half second can be found again, and the finding.

/// Samples a second of the test signal and of everything heard.
pub const RATE: usize = 48_000;
/// Correlation works at this fraction of the rate.
const DECIMATION: usize = 6;
const WINDOW: usize = RATE / DECIMATION / 2;

/// `seconds` of syllable-shaped chirps, each with another sweep, -12 dBFS at their loudest.
pub fn chirps(seconds: usize) -> Vec<f32> {
    let mut phase = 0.0f64;
    (0..seconds * RATE)
        .map(|n| {
            let t = n as f64 / RATE as f64;
            let (syllable, within) = ((t / 0.25).floor(), (t / 0.25).fract());
            let start = 350.0 + 170.0 * ((syllable * 7.0) % 11.0);
            let sweep = 300.0 * (((syllable * 5.0) % 7.0) - 3.0) / 3.0;
            phase += std::f64::consts::TAU * (start + sweep * within) / RATE as f64;
            (0.25 * (std::f64::consts::PI * within).sin().powi(2) * phase.sin()) as f32
        })
        .collect()
}

/// One half second of the reference, found in what was heard.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    /// Seconds from its place in the reference to its place in the recording.
    pub lag: f64,
    /// Normalised cross-correlation there: 1 is the same waveform.
    pub likeness: f32,
}

fn decimate(samples: &[f32]) -> Vec<f32> {
    samples.chunks_exact(DECIMATION).map(|chunk| chunk.iter().sum::<f32>() / DECIMATION as f32).collect()
}

/// Looks for every half second of `reference` in `heard` (both at [`RATE`]).
pub fn find(reference: &[f32], heard: &[f32]) -> Vec<Found> {
    let (reference, heard) = (decimate(reference), decimate(heard));
    let energies: Vec<f32> = {
        let mut sums = vec![0.0f64; heard.len() + 1];
        for (n, sample) in heard.iter().enumerate() {
            sums[n + 1] = sums[n] + f64::from(sample * sample);
        }
        (0..heard.len().saturating_sub(WINDOW)).map(|n| (sums[n + WINDOW] - sums[n]) as f32).collect()
    };
    let windows = reference.chunks_exact(WINDOW).enumerate();
    windows
        .map(|(index, window)| {
            let own: f32 = window.iter().map(|s| s * s).sum();
            let best = energies.iter().enumerate().map(|(lag, energy)| {
                let product: f32 = window.iter().zip(&heard[lag..]).map(|(a, b)| a * b).sum();
                (lag, product / (own * energy.max(1e-6)).sqrt())
            });
            let (lag, likeness) = best.max_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or((0, 0.0));
            let rate = (RATE / DECIMATION) as f64;
            Found { lag: lag as f64 / rate - (index * WINDOW) as f64 / rate, likeness }
        })
        .collect()
}

/// The share of the reference's half seconds that are found (likeness over 0.7), and their median lag in seconds.
pub fn heard_share(reference: &[f32], heard: &[f32]) -> (f64, f64) {
    let found = find(reference, heard);
    let mut lags: Vec<f64> = found.iter().filter(|f| f.likeness > 0.7).map(|f| f.lag).collect();
    lags.sort_by(f64::total_cmp);
    let share = lags.len() as f64 / found.len().max(1) as f64;
    (share, lags.get(lags.len() / 2).copied().unwrap_or(f64::NAN))
}

/// For how many milliseconds a tone of 1 kHz sounds in `heard`, louder than -46 dBFS.
pub fn tone_ms(heard: &[f32]) -> usize {
    // Over 10 ms: ten whole turns of it.
    let level = |block: &[f32]| {
        let turn = |n: usize| n as f32 * std::f32::consts::TAU / 48.0;
        let (re, im) = block.iter().enumerate().fold((0.0, 0.0), |(re, im), (n, s)| (re + s * turn(n).cos(), im + s * turn(n).sin()));
        2.0 * f32::hypot(re, im) / block.len() as f32
    };
    10 * heard.chunks_exact(RATE / 100).filter(|block| level(block) > 0.005).count()
}

/// Raw S16LE, as sound servers' command-line tools take and give it.
pub fn to_s16(samples: &[f32]) -> Vec<u8> {
    samples.iter().flat_map(|s| ((s * 32_767.0) as i16).to_le_bytes()).collect()
}

pub fn from_s16(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(2).map(|pair| f32::from(i16::from_le_bytes([pair[0], pair[1]])) / 32_768.0).collect()
}

/// A mono 16-bit WAV file of `samples`.
pub fn wav(samples: &[f32]) -> Vec<u8> {
    let data = to_s16(samples);
    let mut bytes = Vec::with_capacity(44 + data.len());
    bytes.extend_from_slice(b"RIFF");
    bytes.extend_from_slice(&(36 + data.len() as u32).to_le_bytes());
    bytes.extend_from_slice(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    bytes.extend_from_slice(&(RATE as u32).to_le_bytes());
    bytes.extend_from_slice(&(RATE as u32 * 2).to_le_bytes());
    bytes.extend_from_slice(b"\x02\0\x10\0data");
    bytes.extend_from_slice(&(data.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&data);
    bytes
}

/// The samples of a mono 16-bit 48 kHz WAV file as voicetui writes it.
pub fn read_wav(path: &std::path::Path) -> Vec<f32> {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(&bytes[..4], b"RIFF", "{} is no WAV", path.display());
    let at = bytes.windows(4).position(|w| w == b"data").expect("a data chunk") + 8;
    from_s16(&bytes[at..])
}

#[test]
fn the_finder_finds_a_delayed_copy_and_nothing_in_noise() {
    let reference = chirps(3);
    let mut heard = vec![0.0; RATE / 4];
    heard.extend(reference.iter().map(|s| s * 0.3));
    heard.extend(vec![0.0; RATE]);
    let (share, lag) = heard_share(&reference, &heard);
    assert!(share > 0.99 && (lag - 0.25).abs() < 0.002, "share {share}, lag {lag}");
    let mut state = 1u32;
    let noise: Vec<f32> = (0..4 * RATE)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 16_777_216.0 - 0.5
        })
        .collect();
    assert!(heard_share(&reference, &noise).0 < 0.01);
}
