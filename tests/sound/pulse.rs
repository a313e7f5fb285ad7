//! A private PulseAudio with null sinks: a sound card whose two ends a test can hold.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::process::{Kept, needs};
use super::signal::{from_s16, to_s16, tone_ms};

/// One daemon: sink `mouth` feeds the default source, sink `ear` is the default sink.
pub struct Pulse {
    _daemon: Kept,
    server: String,
    alsa_conf: String,
}

impl Pulse {
    /// `None`: not installed here (said on standard error).
    pub fn start(dir: &Path) -> Option<Self> {
        needs(&["pulseaudio", "pactl", "pacat", "parec"])?;
        let socket = dir.join("pulse.sock");
        let native = format!("module-native-protocol-unix auth-anonymous=1 socket={}", socket.display());
        let daemon = Command::new("pulseaudio")
            .args([
                "-n",
                "--daemonize=no",
                "--use-pid-file=no",
                "--exit-idle-time=-1",
                "--disallow-exit",
                "--log-target=stderr",
                "--log-level=error",
            ])
            .args(["-L", &native])
            .args(["-L", "module-null-sink sink_name=mouth rate=48000 channels=1"])
            .args(["-L", "module-null-sink sink_name=ear rate=48000 channels=1"])
            .env("HOME", dir)
            .env("XDG_RUNTIME_DIR", dir)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("pulseaudio starts");
        let alsa_conf = dir.join("asound.conf");
        let shared = "/usr/share/alsa/alsa.conf";
        std::fs::write(&alsa_conf, format!("<{shared}>\npcm.!default {{ type pulse }}\nctl.!default {{ type pulse }}\n"))
            .expect("asound.conf");
        let this = Self { _daemon: Kept(daemon), server: format!("unix:{}", socket.display()), alsa_conf: alsa_conf.display().to_string() };
        let deadline = Instant::now() + Duration::from_secs(10);
        while !this.pactl(&["info"]) {
            assert!(Instant::now() < deadline, "pulseaudio did not come up within 10 s");
            std::thread::sleep(Duration::from_millis(50));
        }
        assert!(this.pactl(&["set-default-source", "mouth.monitor"]) && this.pactl(&["set-default-sink", "ear"]));
        Some(this)
    }

    /// What a program needs in its environment to find this daemon, through PulseAudio or through ALSA's plugin.
    pub fn env(&self) -> [(&str, &str); 2] {
        [("PULSE_SERVER", &self.server), ("ALSA_CONFIG_PATH", &self.alsa_conf)]
    }

    /// Plugs a loudspeaker in; what [`Pulse::unplug`] takes to pull it out.
    pub fn plug(&self, name: &str) -> String {
        self.plug_with(name, 1, "channel_map=mono")
    }

    /// One with so many channels, called as `map` says.
    pub fn plug_with(&self, name: &str, channels: usize, map: &str) -> String {
        let (sink, channels) = (format!("sink_name={name}"), format!("channels={channels}"));
        let words = ["load-module", "module-null-sink", &sink, "rate=48000", &channels, map];
        let output = Command::new("pactl").args(words).envs(self.env()).output().expect("pactl runs");
        assert!(output.status.success(), "pactl does not load a sink");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    pub fn unplug(&self, module: &str) {
        assert!(self.pactl(&["unload-module", module]), "pactl does not unload {module}");
    }

    /// The microphone hears what the loudspeaker plays, from now on.
    pub fn loop_back(&self) {
        assert!(self.pactl(&["set-default-source", "ear.monitor"]));
    }

    fn pactl(&self, words: &[&str]) -> bool {
        let status = Command::new("pactl").args(words).envs(self.env()).stdout(Stdio::null()).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    }

    /// A tone of 1 kHz at -12 dBFS into the microphone; returns once that hears it. It ends with what is returned.
    pub fn sound_on(&self) -> Kept {
        let mut child = Command::new("pacat")
            .args(["--playback", "--raw", "--device=mouth", "--format=s16le", "--rate=48000", "--channels=1", "--latency-msec=20"])
            .envs(self.env())
            .stdin(Stdio::piped())
            .spawn()
            .expect("pacat starts");
        let mut input = child.stdin.take().expect("its input");
        let second: Vec<f32> = (0..48_000).map(|n| 0.25 * (n as f32 * std::f32::consts::TAU / 48.0).sin()).collect();
        std::thread::spawn(move || while input.write_all(&to_s16(&second)).is_ok() {});
        let (tone, ear) = (Kept(child), self.listen_at("mouth.monitor"));
        let deadline = Instant::now() + Duration::from_secs(10);
        while tone_ms(&ear.heard()) < 300 {
            assert!(Instant::now() < deadline, "the microphone hears no tone");
            std::thread::sleep(Duration::from_millis(20));
        }
        tone
    }

    /// Says `samples` (48 kHz mono) into the microphone, in real time; returns when all is said.
    pub fn speak(&self, samples: &[f32]) {
        let mut child = Kept(
            Command::new("pacat")
                .args(["--playback", "--raw", "--device=mouth", "--format=s16le", "--rate=48000", "--channels=1", "--latency-msec=20"])
                .envs(self.env())
                .stdin(Stdio::piped())
                .spawn()
                .expect("pacat starts"),
        );
        let mut input = child.0.stdin.take().expect("its input");
        input.write_all(&to_s16(samples)).expect("pacat takes the voice");
        drop(input);
        assert!(child.0.wait().expect("pacat ends").success());
    }

    /// Records the loudspeaker from now on.
    pub fn listen(&self) -> Ear {
        self.listen_at("ear.monitor")
    }

    /// Records any source from now on.
    pub fn listen_at(&self, source: &str) -> Ear {
        let device = format!("--device={source}");
        self.listen_to(&[&device, "--latency-msec=20"], &["--raw", "--format=s16le", "--rate=48000", "--channels=1"])
    }

    /// The same, as parec takes it.
    pub fn listen_to(&self, source: &[&str], format: &[&str]) -> Ear {
        let mut child =
            Command::new("parec").args(source).args(format).envs(self.env()).stdout(Stdio::piped()).spawn().expect("parec starts");
        let mut output = child.stdout.take().expect("its output");
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&bytes);
        std::thread::spawn(move || {
            let mut chunk = [0; 4_096];
            while let Ok(n @ 1..) = output.read(&mut chunk) {
                shared.lock().expect("recording").extend_from_slice(&chunk[..n]);
            }
        });
        Ear { _child: Kept(child), bytes }
    }
}

/// A running recording of a loudspeaker.
pub struct Ear {
    _child: Kept,
    bytes: Arc<Mutex<Vec<u8>>>,
}

impl Ear {
    /// What was heard so far, 48 kHz mono.
    pub fn heard(&self) -> Vec<f32> {
        from_s16(&self.bytes.lock().expect("recording"))
    }
}
