//! What the config file promises.

use super::*;
use crate::cli::Invocation;
use proptest::prelude::*;

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, PathBuf::from("/c/config.toml"))
}

fn started_with(text: &str, args: &[&str]) -> cli::Start {
    let args = std::iter::once("voicetui").chain(args.iter().copied()).map(Into::into);
    match cli::parse(args, || parse(text)).expect("understood") {
        Invocation::Screen(start, _) | Invocation::Plain(start) | Invocation::Json(start) => start,
        other => panic!("{other:?} is no call"),
    }
}

/// The printed file with its commented-out keys in force.
fn uncommented(printed: &str) -> String {
    let is_key = |line: &str| keys().iter().any(|key| line.starts_with(&format!("{} = ", key.name)));
    printed
        .lines()
        .map(|line| line.strip_prefix("# ").filter(|rest| is_key(rest)).unwrap_or(line))
        .fold(String::new(), |all, line| all + line + "\n")
}

#[test]
fn every_option_is_a_key_and_every_key_an_option() {
    let command = cli::command();
    let mut options: Vec<String> = Vec::new();
    for arg in command.get_arguments().filter(|arg| !arg.is_hide_set()) {
        let Some(long) = arg.get_long() else { continue };
        options.push(if arg.get_action().takes_values() { long } else { long.trim_start_matches("no-") }.to_owned());
        assert!(arg.get_help().is_some(), "--{long} explains itself");
    }
    options.retain(|option| !ONCE.contains(&option.as_str()));
    let keys: Vec<String> = keys().into_iter().map(|key| key.name).collect();
    assert_eq!(options, keys);
    for key in self::keys().iter().filter(|key| key.switch.is_some()) {
        for long in [key.name.clone(), format!("no-{}", key.name)] {
            assert!(command.get_arguments().any(|arg| arg.get_long() == Some(&long)), "--{long} exists");
        }
    }
}

#[test]
fn the_defaults_are_those_of_the_engine() {
    let start = started_with("", &[]);
    assert_eq!(
        start.settings,
        crate::engine::Settings { name: start.settings.name.clone(), outputs: start.settings.outputs.clone(), ..Default::default() }
    );
    let Ok(Invocation::Screen(_, ui)) = cli::parse([], || parse("")) else { panic!("the screen is the default") };
    assert_eq!(ui, crate::ui::UiOptions::default());
}

#[test]
fn what_is_printed_reads_back_with_every_key_in_force() {
    let printed = parse("").expect("empty").print();
    assert_eq!(parse(&printed).expect("comments only").entries, []);
    let all = uncommented(&printed);
    let config = parse(&all).expect("every default and example is valid");
    assert_eq!(config.entries.len(), keys().len());
    assert_eq!(uncommented(&config.print()).lines().filter(|line| !line.starts_with('#') && !line.is_empty()).count(), keys().len());
}

#[test]
fn what_is_set_is_marked_and_survives() {
    let text = "port = 6000\n\nopen = true\nmouse = false\nname = \"Tür \\\"vorn\\\"\"\n";
    let config = parse(text).expect("valid");
    let printed = config.print();
    assert!(printed.contains("# Set on line 1; default: 5005\nport = 6000\n"), "{printed}");
    assert!(printed.contains("# false: Leave the mouse to the terminal\n# Set on line 4; default: true\nmouse = false\n"), "{printed}");
    let again = parse(&printed).expect("reads back");
    assert_eq!(again.args().collect::<Vec<_>>(), config.args().collect::<Vec<_>>());
    let start = started_with(text, &[]);
    assert_eq!((start.settings.port, start.settings.open, start.settings.name.as_str()), (6000, true, "Tür \"vorn\""));
}

#[test]
fn the_command_line_wins() {
    let text = "port = 6000\nopen = true\nplain = true\nctl = false\ntalk-timeout = 30";
    let start = started_with(text, &["--port", "7000", "--no-open", "--json"]);
    assert_eq!((start.settings.port, start.settings.open, start.settings.ctl), (7000, false, false));
    assert_eq!(start.settings.talk_timeout.as_secs(), 30);
    let invocation = cli::parse(["voicetui".into(), "--json".into()], || parse(text)).expect("understood");
    assert!(matches!(invocation, Invocation::Json(_)));
}

#[test]
fn an_array_is_an_order_and_the_command_line_puts_its_own_in_its_place() {
    let text = "input = ['usb', \"card#2\"]\noutput = 'hdmi'";
    let settings = started_with(text, &["--output", "a", "--output", "b"]).settings;
    assert_eq!((settings.input, settings.output), (vec!["usb".into(), "card#2".to_string()], vec!["a".into(), "b".to_string()]));
    assert_eq!(started_with(text, &[]).settings.output, ["hdmi"]);
    let printed = parse(text).expect("valid").print();
    assert!(printed.contains("default: \"default\"\ninput = ['usb', \"card#2\"]\n"), "{printed}");
    assert_eq!(parse(&printed).expect("reads back").args().count(), 3);
}

#[test]
fn a_wrong_line_is_refused_with_its_number_and_the_reason() {
    for (text, message) in [
        ("port = 6000\nprot = 1", "/c/config.toml, line 2: there is no key prot; did you mean port?"),
        ("talk_timeout = 1", "/c/config.toml, line 1: there is no key talk_timeout; did you mean talk-timeout?"),
        ("\n\nentirely-else = 1", "/c/config.toml, line 3: there is no key entirely-else; \"voicetui config\" prints them all"),
        ("no-mouse = true", "/c/config.toml, line 1: there is no key no-mouse: write mouse = false"),
        ("demo = true", "/c/config.toml, line 1: demo is an option of the command line only"),
        ("open = 1", "/c/config.toml, line 1: open is a switch: true or false"),
        ("port = 70000", "/c/config.toml, line 1: port cannot be 70000: a port is a number from 1 to 65535, or 0 for any free one"),
        ("theme = \"mauve\"", "/c/config.toml, line 1: theme cannot be \"mauve\": possible are auto, dark, light, 16, none"),
        ("format = \"opus\"", "/c/config.toml, line 1: format cannot be \"opus\": possible are sealed, rtp, pcm"),
        ("name = '''a\nb'''", "/c/config.toml, line 1: name cannot be \"a\\nb\": a name has 1 to 64 bytes and no control characters"),
        ("# x\nframe = 15", "/c/config.toml, line 2: frame cannot be 15: possible are 10, 20"),
        ("port = [1]", "/c/config.toml, line 1: port takes one value, such as 5005"),
        ("input = []", "/c/config.toml, line 1: input takes 1 to 16 values"),
        ("input = ['a', true]", "/c/config.toml, line 1: input takes one value, such as \"default\""),
        ("name = ['a']", "/c/config.toml, line 1: name takes one value, such as \"Front door\""),
        ("[port]\nx = 1", "/c/config.toml, line 1: port takes one value, such as 5005"),
        ("open = true\nopen = false", "/c/config.toml, line 2: duplicate key"),
    ] {
        assert_eq!(parse(text).expect_err(text).to_string(), message);
    }
    let error = parse("a = 1\nport = = 2").expect_err("no TOML").to_string();
    assert!(error.starts_with("/c/config.toml, line "), "{error}");
}

#[test]
fn no_file_is_no_error_and_an_unreadable_one_is_named() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("voicetui/config.toml");
    assert_eq!(Config::read(path.clone()).expect("no file").entries, []);
    std::fs::write(dir.path().join("voicetui"), "a file where a directory was meant").expect("written");
    assert_eq!(Config::read(path).expect("no directory").entries, []);
    let error = Config::read(dir.path().to_owned()).expect_err("a directory is no file").to_string();
    assert!(error.contains("cannot be read"), "{error}");
    let path = dir.path().join("latin1.toml");
    std::fs::write(&path, b"name = \"T\xfcr\"").expect("written");
    assert!(Config::read(path).expect_err("not UTF-8").to_string().ends_with("it is not text in UTF-8"));
}

#[test]
fn the_fuzz_corpus_holds() {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/config");
    // A published package has no corpus.
    let Ok(files) = std::fs::read_dir(&dir) else { return };
    let mut count = 0;
    for file in files {
        check::config(&std::fs::read(file.expect("listed").path()).expect("readable"));
        count += 1;
    }
    assert!(count > 5, "only {count} files");
}

proptest! {
    #[test]
    fn any_text_is_a_config_or_an_error_within_it(text in "\\PC*|(port|open|name|nmae|x) = \\PC{0,20}\n(\\PC|\n){0,60}") {
        check::config(text.as_bytes());
        if let Err(error) = parse(&text) {
            prop_assert!(error.line.is_none_or(|line| line <= text.lines().count().max(1) + 1));
        }
    }
}
