//! Colours: on a terminal only, and not where `NO_COLOR` says so (`CLICOLOR` and `CLICOLOR_FORCE` count as well).

use std::borrow::Cow;

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};

/// What is on a line.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ink {
    /// The titles of columns.
    Title,
    Plain,
    /// Something that deserves a look.
    Warning,
    Added,
    Removed,
    Changed,
}

impl Ink {
    fn style(self) -> Style {
        let colour = |colour: AnsiColor| colour.on_default();
        match self {
            Self::Plain => Style::new(),
            Self::Title => Style::new().bold(),
            Self::Warning | Self::Removed => colour(AnsiColor::Red),
            Self::Added => colour(AnsiColor::Green),
            Self::Changed => colour(AnsiColor::Yellow),
        }
    }
}

/// Whether standard output gets colours.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paint {
    colours: bool,
}

impl Paint {
    pub(crate) fn of_stdout() -> Self {
        Self { colours: AutoStream::choice(&std::io::stdout()) != ColorChoice::Never }
    }

    /// Text in its colour. It has been fitted to its width before: what colours it takes no column.
    pub(crate) fn ink(self, ink: Ink, text: &str) -> Cow<'_, str> {
        if !self.colours || matches!(ink, Ink::Plain) {
            return Cow::Borrowed(text);
        }
        let style = ink.style();
        Cow::Owned(format!("{style}{text}{style:#}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_colours_text_stays_as_it_is() {
        assert_eq!(Paint { colours: false }.ink(Ink::Added, "a"), "a");
        assert_eq!(Paint { colours: true }.ink(Ink::Plain, "a"), "a");
        assert_eq!(Paint { colours: true }.ink(Ink::Added, "a"), "\u{1b}[32ma\u{1b}[0m");
    }
}
