//! Reads Rust source just well enough to list its paths: comments, texts and layout aside, groups in `use` spelled out.

/// A word or a sign, and its line.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Token {
    text: String,
    line: usize,
}

/// A file as tokens.
pub struct Source(Vec<Token>);

/// A path as it was written, groups spelled out: `use a::{b, c}` is `a::b` and `a::c`.
#[derive(Debug)]
pub struct Found {
    parts: Vec<String>,
    pub line: usize,
    /// Inside an item under `#[cfg(test)]`.
    pub in_test: bool,
    /// Modules between the crate's root and the place where it stands.
    depth: usize,
}

impl Found {
    /// The module of the crate's root that it leads to, by `crate::` or by enough `super::`.
    pub fn room(&self) -> Option<&str> {
        let supers = self.parts.iter().take_while(|part| *part == "super").count();
        let at = match self.parts.first()?.as_str() {
            "crate" => 1,
            "super" if supers >= self.depth => supers,
            _ => return None,
        };
        self.parts.get(at).map(String::as_str)
    }

    /// Whether `word`, a path or a `.method`, is a part of it.
    pub fn contains(&self, word: &str) -> bool {
        let word: Vec<&str> = word.split("::").collect();
        self.parts.windows(word.len()).any(|window| window.iter().zip(&word).all(|(part, word)| part == word))
    }

    pub fn starts_with(&self, name: &str) -> bool {
        self.parts.first().is_some_and(|part| part == name)
    }

    /// More than a word, which might be a variable.
    pub fn is_long(&self) -> bool {
        self.parts.len() > 1
    }
}

impl Source {
    pub fn lex(text: &str) -> Self {
        let chars: Vec<char> = text.chars().collect();
        let mut tokens = Vec::new();
        let (mut at, mut line) = (0, 1);
        while at < chars.len() {
            let end = skip(&chars, at);
            if end > at {
                line += chars[at..end].iter().filter(|ch| **ch == '\n').count();
                at = end;
                continue;
            }
            let is_word = |ch: &char| ch.is_alphanumeric() || *ch == '_';
            let len = match chars[at] {
                ch if is_word(&ch) => chars[at..].iter().take_while(|ch| is_word(ch)).count(),
                ':' if chars.get(at + 1) == Some(&':') => 2,
                _ => 1,
            };
            tokens.push(Token { text: chars[at..at + len].iter().collect(), line });
            at += len;
        }
        Self(tokens)
    }

    fn text(&self, at: usize) -> &str {
        self.0.get(at).map_or("", |token| token.text.as_str())
    }

    /// The end of an item that begins at `at`: behind its `;` or its last brace.
    fn item_end(&self, mut at: usize) -> usize {
        let mut depth = 0;
        while at < self.0.len() {
            match self.text(at) {
                "{" | "(" | "[" => depth += 1,
                ")" | "]" => depth -= 1,
                "}" => {
                    depth -= 1;
                    // `#[attribute]`s and a function's arguments close too, but only a body ends an item.
                    if depth == 0 {
                        return at + 1;
                    }
                }
                ";" if depth == 0 => return at + 1,
                _ => {}
            }
            at += 1;
        }
        at
    }

    /// Whether `#[cfg(test)]` stands at `at`.
    fn is_cfg_test(&self, at: usize) -> bool {
        ["#", "[", "cfg", "(", "test", ")", "]"].iter().enumerate().all(|(step, text)| self.text(at + step) == *text)
    }

    /// Names of modules that are declared under `#[cfg(test)]` and live in files of their own.
    pub fn test_modules(&self) -> Vec<&str> {
        let starts = (0..self.0.len()).filter(|at| self.is_cfg_test(*at));
        let declared = starts.filter(|at| self.text(at + 7) == "mod" && self.text(at + 9) == ";");
        declared.map(|at| self.text(at + 8)).collect()
    }
}

/// Behind the white space, comment, text, character or lifetime that begins at `at`; `at` itself if none does.
fn skip(chars: &[char], at: usize) -> usize {
    let starts = |text: &str| text.chars().enumerate().all(|(step, ch)| chars.get(at + step) == Some(&ch));
    let find = |from: usize, text: char| (from..chars.len()).find(|end| chars[*end] == text).unwrap_or(chars.len());
    match chars[at] {
        ch if ch.is_whitespace() => at + 1,
        '/' if starts("//") => find(at, '\n'),
        '/' if starts("/*") => {
            let (mut depth, mut end) = (1, at + 2);
            while depth > 0 && end < chars.len() {
                match (chars[end], chars.get(end + 1)) {
                    ('/', Some('*')) => (depth, end) = (depth + 1, end + 2),
                    ('*', Some('/')) => (depth, end) = (depth - 1, end + 2),
                    _ => end += 1,
                }
            }
            end
        }
        'r' if starts("r\"") || starts("r#\"") || starts("r##\"") => {
            let hashes = chars[at + 1..].iter().take_while(|ch| **ch == '#').count();
            let mut end = find(at + hashes + 2, '"') + 1;
            while end < chars.len() && !chars[end..].iter().take(hashes).all(|ch| *ch == '#') {
                end = find(end, '"') + 1;
            }
            end + hashes
        }
        '"' => quoted(chars, at, '"'),
        // A character, unless it is a lifetime: 'a' but not 'a.
        '\'' if chars.get(at + 1) == Some(&'\\') || chars.get(at + 2) == Some(&'\'') => quoted(chars, at, '\''),
        '\'' => at + 1 + chars[at + 1..].iter().take_while(|ch| ch.is_alphanumeric() || **ch == '_').count(),
        _ => at,
    }
    .min(chars.len())
}

fn quoted(chars: &[char], at: usize, quote: char) -> usize {
    let mut end = at + 1;
    while end < chars.len() && chars[end] != quote {
        end += if chars[end] == '\\' { 2 } else { 1 };
    }
    end + 1
}

/// Walks a file's tokens and collects its paths.
pub struct Paths<'a> {
    source: &'a Source,
    found: Vec<Found>,
    in_test: bool,
    depth: usize,
}

impl<'a> Paths<'a> {
    /// All paths of a file that lies `depth` modules below the crate's root.
    pub fn of(source: &'a Source, depth: usize) -> Vec<Found> {
        let mut paths = Self { source, found: Vec::new(), in_test: false, depth };
        paths.walk(0, source.0.len());
        paths.found
    }

    fn walk(&mut self, mut at: usize, end: usize) {
        while at < end {
            if !self.in_test && self.source.is_cfg_test(at) {
                let item_end = self.source.item_end(at + 7).min(end);
                self.in_test = true;
                self.walk(at + 7, item_end);
                self.in_test = false;
                at = item_end;
            } else if self.source.text(at) == "mod" && self.source.text(at + 2) == "{" {
                let item_end = self.source.item_end(at).min(end);
                self.depth += 1;
                self.walk(at + 3, item_end);
                self.depth -= 1;
                at = item_end;
            } else if is_name(self.source.text(at)) {
                let dot = if at > 0 && self.source.text(at - 1) == "." { "." } else { "" };
                at = self.path(at, &[], dot);
            } else {
                at += 1;
            }
        }
    }

    /// Reads the path at `at`, which goes on from `before`; says where it ends.
    fn path(&mut self, mut at: usize, before: &[String], dot: &str) -> usize {
        let line = self.source.0[at].line;
        let mut parts = before.to_vec();
        loop {
            if self.source.text(at) == "{" {
                return self.group(at + 1, &parts);
            }
            let call = if self.source.text(at + 1) == "(" { dot } else { "" };
            parts.push(format!("{call}{}", self.source.text(at)));
            at += 1;
            if self.source.text(at) != "::" || !(is_name(self.source.text(at + 1)) || self.source.text(at + 1) == "{") {
                break;
            }
            at += 1;
        }
        if let (Some(last), "!") = (parts.last_mut(), self.source.text(at)) {
            last.push('!');
        }
        self.found.push(Found { parts, line, in_test: self.in_test, depth: self.depth });
        at
    }

    fn group(&mut self, mut at: usize, before: &[String]) -> usize {
        while !matches!(self.source.text(at), "}" | "") {
            at = if is_name(self.source.text(at)) { self.path(at, before, "") } else { at + 1 };
        }
        at + 1
    }
}

fn is_name(text: &str) -> bool {
    text.starts_with(|ch: char| ch.is_alphabetic() || ch == '_')
}

#[cfg(test)]
mod tests {
    use super::{Paths, Source};

    fn spelled(text: &str, depth: usize) -> Vec<(String, Option<String>, bool)> {
        let found = Paths::of(&Source::lex(text), depth);
        found.iter().map(|found| (found.parts.join("::"), found.room().map(str::to_owned), found.in_test)).collect()
    }

    #[test]
    fn groups_are_spelled_out() {
        let found = spelled("use crate::{units::{Seq, Ssrc}, wire};", 1);
        let rooms: Vec<_> = found.iter().filter_map(|(path, room, _)| Some((path.as_str(), room.as_deref()?))).collect();
        assert_eq!(rooms, [("crate::units::Seq", "units"), ("crate::units::Ssrc", "units"), ("crate::wire", "wire")]);
    }

    #[test]
    fn supers_are_counted() {
        let rooms = |text, depth| spelled(text, depth).into_iter().filter_map(|(_, room, _)| room).collect::<Vec<_>>();
        assert_eq!(rooms("use super::audio;", 1), ["audio"]);
        assert_eq!(rooms("use super::super::audio::Frame;", 2), ["audio"]);
        assert!(rooms("mod inner { use super::audio; }", 1).is_empty());
        assert_eq!(rooms("mod inner { use super::super::audio; }", 1), ["audio"]);
    }

    #[test]
    fn comments_texts_and_lifetimes_are_no_code() {
        let text = r##"// std::fs
            /* std::env /* nested */ crate::ui */ fn f<'a>(x: &'a str) { let _ = ("std::fs \" crate::ui", r#"a " b"#, '"', '\'', b'x'); }"##;
        assert!(spelled(text, 1).iter().all(|(path, room, _)| !path.contains("std") && room.is_none()));
        assert!(spelled(text, 1).iter().any(|(path, ..)| path == "let"), "what follows them is code");
    }

    #[test]
    fn test_modules_end_where_they_end() {
        let text = "#[cfg(test)]\nmod tests { fn a() { std::fs::read() } }\nfn b() { std::env::args() }\n#[cfg(test)] mod later;";
        let in_test = |path: &str| spelled(text, 1).into_iter().find(|found| found.0 == path).map(|found| found.2);
        assert_eq!(in_test("std::fs::read"), Some(true));
        assert_eq!(in_test("std::env::args"), Some(false));
        assert_eq!(Source::lex(text).test_modules(), ["later"]);
    }

    #[test]
    fn methods_and_macros_are_told_apart() {
        let found = Paths::of(&Source::lex("fn f() { start.elapsed(); let elapsed = 1; println!(); std::thread::spawn() }"), 1);
        let says = |word: &str| found.iter().filter(|found| found.contains(word)).count();
        assert_eq!((says(".elapsed"), says("elapsed"), says("println!"), says("std::thread"), says("println")), (1, 1, 1, 1, 0));
    }
}
