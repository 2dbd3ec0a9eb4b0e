//! Tables on their way out: drawn in place, one below the other, or as JSON.
//!
//! # Design
//! A drawing goes home, overwrites line by line and clears what is left of the one before: no
//! flicker, as nothing is empty in between. It leaves the cursor below the table.
//!
//! # References
//! ECMA-48: cursor position, erase in line, erase in page; autowrap is DEC private mode 7.

use std::io::{self, Write};

use super::rates::Round;
use super::{Form, table};
use crate::error::Error;

const CLEAR: &str = "\x1b[2J";
const HOME: &str = "\x1b[H";
const ERASE_LINE: &str = "\x1b[K";
const ERASE_BELOW: &str = "\x1b[J";
/// Long lines are cut at the margin, so that a row stays a line.
const WRAP_OFF: &str = "\x1b[?7l";
const WRAP_ON: &str = "\x1b[?7h";

/// Where tables go.
pub struct Screen<'a> {
    form: Form,
    out: &'a mut dyn Write,
    n_printed: u64,
}

impl Screen<'_> {
    /// Nothing is printed yet.
    pub fn new(form: Form, out: &mut dyn Write) -> Screen<'_> {
        Screen { form, out, n_printed: 0 }
    }

    /// Prints a table, all at once.
    pub fn print(&mut self, round: &Round) -> Result<(), Error> {
        let is_first = self.n_printed == 0;
        let text = match self.form {
            Form::Json => format!("{}\n", round.to_json()),
            Form::Blocks => {
                let gap = if is_first { "" } else { "\n" };
                format!("{gap}{}\n", table::lines(round, usize::MAX).join("\n"))
            }
            Form::Screen => {
                let clear = if is_first { CLEAR } else { "" };
                format!("{clear}{}", drawing(&table::lines(round, max_lines())))
            }
        };
        self.n_printed += 1;
        self.write(&text)
    }

    /// Leaves the line on which the terminal may have echoed Ctrl-C.
    pub fn end(&mut self) -> Result<(), Error> {
        let was_drawn = self.form == Form::Screen && self.n_printed > 0;
        if was_drawn { self.write("\n") } else { Ok(()) }
    }

    fn write(&mut self, text: &str) -> Result<(), Error> {
        let written = self.out.write_all(text.as_bytes());
        written.and_then(|()| self.out.flush()).map_err(Error::Output)
    }
}

fn drawing(lines: &[String]) -> String {
    let mut text = format!("{WRAP_OFF}{HOME}");
    for line in lines {
        text.push_str(line);
        text.push_str(ERASE_LINE);
        text.push('\n');
    }
    text + ERASE_BELOW + WRAP_ON
}

/// Lines that the window has, less the one for the cursor. It may change between drawings.
fn max_lines() -> usize {
    let size = rustix::termios::tcgetwinsize(io::stdout());
    // A terminal that does not know its size, such as a serial line, says 0.
    size.ok().map(|size| usize::from(size.ws_row)).filter(|n| *n > 0).map_or(usize::MAX, |n| n - 1)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn printed(form: Form) -> String {
        let mut out = Vec::new();
        let mut screen = Screen::new(form, &mut out);
        let round = Round { elapsed: Duration::from_secs(1), rows: Vec::new() };
        for _ in 0..2 {
            screen.print(&round).unwrap();
        }
        screen.end().unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn blocks_have_an_empty_line_between_them_and_json_has_a_line_each() {
        let blocks = printed(Form::Blocks);
        assert!(blocks.contains("REASONS\n\n0 ports") && !blocks.contains('\x1b'), "{blocks}");
        let json = r#"{"seconds":1.0,"ports":[]}"#;
        assert_eq!(printed(Form::Json), format!("{json}\n{json}\n"));
    }

    #[test]
    fn a_screen_is_cleared_once_and_left_as_it_was() {
        let drawn = printed(Form::Screen);
        assert!(drawn.starts_with(CLEAR) && drawn.ends_with("\x1b[J\x1b[?7h\n"), "{drawn:?}");
        assert_eq!(drawn.matches(CLEAR).count(), 1);
        assert_eq!(drawn.matches(HOME).count(), 2);
        assert_eq!(drawn.matches(WRAP_OFF).count(), drawn.matches(WRAP_ON).count());
    }
}
