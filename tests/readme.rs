//! The README says what the program says: its tables are printed from the same definitions.
//!
//! `UPDATE_README=1 cargo test --test readme` writes the tables anew.

use voicetui::cli;
use voicetui::engine::WORDS;
use voicetui::engine::report::{PEER_FIELDS, STATS_FIELDS};
use voicetui::ui::{keys_as_markdown, plain::EVENTS};

const README: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");

fn readme() -> String {
    std::fs::read_to_string(README).expect("README.md")
}

/// What stands, or should stand, between `<!-- name -->` and `<!-- /name -->`.
fn check(name: &str, wanted: &str) {
    let text = readme();
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
    let start = text.find(&begin).unwrap_or_else(|| panic!("README.md has no {begin}")) + begin.len();
    let stop = start + text[start..].find(&end).unwrap_or_else(|| panic!("README.md has no {end}"));
    let wanted = format!("\n{}\n\n", wanted.trim());
    if std::env::var_os("UPDATE_README").is_some() {
        std::fs::write(README, format!("{}{wanted}{}", &text[..start], &text[stop..])).expect("README.md can be written");
    } else {
        assert_eq!(&text[start..stop], wanted, "README.md, {name}: run UPDATE_README=1 cargo test --test readme");
    }
}

/// One test, since all of them write the same file when asked to.
#[test]
fn the_tables_are_those_of_the_program() {
    check("keys", &keys_as_markdown());
    let help = cli::command().term_width(110).render_help().to_string();
    let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
    check("options", &format!("```text\n{}\n```", lines.join("\n")));
    let commands: Vec<String> = WORDS.split(", ").map(|command| format!("`{command}`")).collect();
    check("commands", &format!("{}.", commands.join(", ")));
    let mut events = String::from("| event | when | fields |\n|---|---|---|\n");
    for (name, when, fields) in EVENTS {
        let fields: Vec<String> = fields.iter().map(|field| format!("`{field}`")).collect();
        events += &format!("| `{name}` | {when} | {} |\n", fields.join(", "));
    }
    check("events", &events);
    let table = |title: &str, fields: &[(&str, &str)]| {
        let lines: Vec<String> = fields.iter().map(|(name, meaning)| format!("| `{name}` | {meaning} |")).collect();
        format!("| {title} | meaning |\n|---|---|\n{}", lines.join("\n"))
    };
    check("stats", &format!("{}\n\n{}", table("field", STATS_FIELDS), table("field of each peer", PEER_FIELDS)));
}

#[test]
fn the_tape_presses_keys_that_mean_something() {
    let tape = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/demo.tape")).expect("demo.tape");
    let keys = keys_as_markdown();
    let (mut pressed, mut shown) = (0, false);
    for line in tape.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let name = match word.split('@').next().unwrap_or(word) {
            "Show" => {
                shown = true;
                continue;
            }
            "Output" | "Set" | "Hide" | "Sleep" => continue,
            _ if !shown => continue,
            // More than one character is text: an address in its field.
            "Type" if rest.trim_matches('"').len() > 1 => continue,
            "Type" => rest.trim_matches('"').to_owned(),
            "Escape" => "Esc".into(),
            "Ctrl+C" => "Ctrl-C".into(),
            other => other.to_owned(),
        };
        assert!(keys.contains(&format!("`{name}`")), "demo.tape: {line:?} presses {name}, which no table of keys has");
        pressed += 1;
    }
    assert!(pressed >= 5 && tape.lines().any(|line| line == "Output demo.gif"), "demo.tape shows too little");
}
