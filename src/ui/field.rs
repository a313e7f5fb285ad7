//! The address field: text with a cursor, and the addresses called before. Pure.

use tui_input::{Input, InputRequest};

/// Longest address that is kept, characters: DNS names end at 253.
const ADDRESS_MAX: usize = 300;
/// Addresses remembered.
const CALLED_MAX: usize = 100;

/// A one-line text field that can be recalled from.
#[derive(Clone, Debug, Default)]
pub struct Field {
    input: Input,
    /// Addresses called, the latest last, each once.
    called: Vec<String>,
    /// Which of them is shown; `None`: the user's own text.
    recalled: Option<usize>,
    /// The user's own text, while an old address is shown.
    draft: String,
}

impl Field {
    #[must_use]
    pub fn new(called: Vec<String>) -> Self {
        Self { called, ..Self::default() }
    }

    #[must_use]
    pub fn text(&self) -> &str {
        self.input.value()
    }

    /// The columns to skip and the cursor's column after them, in a field `width` columns wide.
    #[must_use]
    pub fn view(&self, width: usize) -> (usize, usize) {
        let scroll = self.input.visual_scroll(width.saturating_sub(1));
        (scroll, self.input.visual_cursor().saturating_sub(scroll))
    }

    pub fn edit(&mut self, request: InputRequest) {
        let full = self.text().chars().count() >= ADDRESS_MAX;
        if !(full && matches!(request, InputRequest::InsertChar(_) | InputRequest::Yank)) {
            self.input.handle(request);
            self.recalled = None;
        }
    }

    /// Pasted text: its first line that says something, without control characters.
    pub fn paste(&mut self, text: &str) {
        let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
        for c in line.chars().filter(|c| !c.is_control()).take(ADDRESS_MAX) {
            self.edit(InputRequest::InsertChar(c));
        }
    }

    pub fn clear(&mut self) {
        self.input.reset();
        self.recalled = None;
    }

    /// Shows the address called before the one shown.
    pub fn older(&mut self) {
        let at = match self.recalled {
            None => self.called.len().checked_sub(1),
            Some(at) => Some(at.saturating_sub(1)),
        };
        let Some(at) = at else { return };
        if self.recalled.is_none() {
            self.draft = self.text().to_string();
        }
        self.show(Some(at));
    }

    /// Shows the address called after the one shown, at last the user's own text.
    pub fn newer(&mut self) {
        if let Some(at) = self.recalled {
            self.show(Some(at + 1).filter(|at| *at < self.called.len()));
        }
    }

    fn show(&mut self, recalled: Option<usize>) {
        self.recalled = recalled;
        let text = recalled.map_or_else(|| std::mem::take(&mut self.draft), |at| self.called[at].clone());
        self.input = Input::new(text);
    }

    /// An address was called: it becomes the latest.
    pub fn remember(&mut self, address: &str) {
        let address = address.trim();
        if address.is_empty() {
            return;
        }
        self.called.retain(|known| known != address);
        self.called.push(address.to_string());
        let surplus = self.called.len().saturating_sub(CALLED_MAX);
        self.called.drain(..surplus);
        self.recalled = None;
    }

    #[must_use]
    pub fn called(&self) -> &[String] {
        &self.called
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(field: &mut Field, text: &str) {
        text.chars().for_each(|c| field.edit(InputRequest::InsertChar(c)));
    }

    #[test]
    fn old_addresses_come_back_and_the_draft_is_kept() {
        let mut field = Field::new(vec!["alice".into(), "bob:6000".into()]);
        typed(&mut field, "10.0.");
        field.older();
        assert_eq!(field.text(), "bob:6000");
        field.older();
        field.older();
        assert_eq!(field.text(), "alice");
        field.newer();
        field.newer();
        assert_eq!(field.text(), "10.0.");
        field.newer();
        assert_eq!(field.text(), "10.0.");
    }

    #[test]
    fn an_address_called_again_moves_to_the_end() {
        let mut field = Field::new(vec!["a".into(), "b".into()]);
        field.remember(" a ");
        field.remember("  ");
        assert_eq!(field.called(), ["b", "a"]);
        (0..200).for_each(|n| field.remember(&format!("host{n}")));
        assert_eq!((field.called().len(), field.called()[99].as_str()), (CALLED_MAX, "host199"));
    }

    #[test]
    fn words_and_cursor_work_as_in_any_good_field() {
        let mut field = Field::default();
        typed(&mut field, "host one");
        field.edit(InputRequest::DeletePrevWord);
        assert_eq!(field.text(), "host ");
        field.edit(InputRequest::GoToStart);
        typed(&mut field, "g");
        assert_eq!((field.text(), field.view(20)), ("ghost ", (0, 1)));
    }

    #[test]
    fn a_paste_is_one_line_of_bounded_length_without_controls() {
        let mut field = Field::default();
        field.paste("\n  10.0.1.217\x1b[31m\nrm -rf\n");
        assert_eq!(field.text(), "10.0.1.217[31m");
        field.paste(&"x".repeat(100_000));
        assert_eq!(field.text().len(), ADDRESS_MAX);
        let (scroll, cursor) = field.view(20);
        assert!(cursor < 20 && scroll > 250);
    }
}
