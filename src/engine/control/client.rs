//! `voicetui ctl`: one line to a running instance, its answer printed. Main thread of a process of its own.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};

use crate::engine::CallState;
use crate::os::local_socket::{connect, instances};

/// A running instance answers at once, or is in trouble.
const PATIENCE: Duration = Duration::from_secs(5);

/// Sends `line` to the instance with that process number, or to the only one, and prints its answer. `talk hold` stays connected
/// until this process ends, or the other side lets go.
///
/// # Errors
/// One sentence: nobody runs, several do and none was named, or the instance's own refusal.
pub fn ask(instance: Option<u32>, line: &str, out: &mut impl Write) -> anyhow::Result<()> {
    // A hotkey must not key another program's microphone by guessing which was meant.
    let running = if instance.is_none() { instances() } else { Vec::new() };
    if running.len() > 1 {
        let pids: Vec<String> = running.iter().map(|one| one.pid.to_string()).collect();
        bail!("several voicetuis are running: say which with --instance ({})", pids.join(", "));
    }
    converse(connect(instance)?, &whole_path(line)?, out)
}

/// Sends `line` to every instance that runs, whatever they answer.
pub fn tell_all(line: &str) {
    for one in instances() {
        let told = connect(Some(one.pid)).map_err(anyhow::Error::from).and_then(|stream| converse(stream, line, &mut std::io::sink()));
        if let Err(error) = told {
            tracing::debug!(%error, "an instance could not be told");
        }
    }
}

/// Whether the instance with that process number has somebody in its call, or calls somebody. One that does not tell is taken to.
pub fn is_in_call(pid: u32) -> bool {
    let mut answer = Vec::new();
    let told = connect(Some(pid)).map_err(anyhow::Error::from).and_then(|stream| converse(stream, "stats", &mut answer));
    let stats: Option<serde_json::Value> = told.ok().and_then(|()| serde_json::from_slice(&answer).ok());
    let peers = stats.as_ref().and_then(|stats| stats["peers"].as_array());
    let engaged = CallState::ENGAGED.map(CallState::name);
    peers.is_none_or(|peers| peers.iter().any(|peer| peer["state"].as_str().is_none_or(|state| engaged.contains(&state))))
}

/// `dump FILE` with the file as it is seen from here: the other side runs in a folder of its own.
fn whole_path(line: &str) -> anyhow::Result<String> {
    let Some(file) = line.trim().strip_prefix("dump ").map(str::trim).filter(|file| !file.is_empty()) else { return Ok(line.to_owned()) };
    let path = std::path::absolute(file).context("the folder that this runs in is not known")?;
    let path = path.to_str().context("the name of the folder that this runs in is no text: give the whole path of a file elsewhere")?;
    Ok(format!("dump {path}"))
}

pub fn converse(stream: UnixStream, line: &str, out: &mut impl Write) -> anyhow::Result<()> {
    if line.contains('\n') {
        bail!("a command is one line");
    }
    stream.set_read_timeout(Some(PATIENCE)).context("the ctl socket cannot be used")?;
    (&stream).write_all(format!("{line}\n").as_bytes()).context("the command cannot be sent")?;
    let mut answers = BufReader::new(&stream);
    let answer = read(&mut answers).context("no answer; is that voicetui stopped?")?;
    let Some(answer) = answer else { bail!("that voicetui ended before it answered") };
    print(&answer, out)?;
    if line.split_whitespace().eq(["talk", "hold"]) {
        stream.set_read_timeout(None).context("the ctl socket cannot be used")?;
        if let Some(end) = read(&mut answers).context("the hold ended")? {
            print(&end, out)?;
        }
    }
    Ok(())
}

fn read(answers: &mut impl BufRead) -> std::io::Result<Option<String>> {
    let mut answer = String::new();
    Ok((answers.read_line(&mut answer)? > 0).then(|| answer.trim_end().to_owned()))
}

fn print(answer: &str, out: &mut impl Write) -> anyhow::Result<()> {
    match answer.strip_prefix("error: ") {
        Some(sentence) => Err(anyhow!("{sentence}")),
        None => writeln!(out, "{answer}").and_then(|()| out.flush()).context("the answer cannot be printed"),
    }
}
