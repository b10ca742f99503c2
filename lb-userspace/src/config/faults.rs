//! Collects faults, so that one refusal shows all of them.

use std::ops::Range;

/// Bytes of the file. `0..0` stands for the file as a whole.
pub(super) type Span = Range<usize>;

/// Proof that a fault was reported: only [`Faults::refuse`] makes one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refused(());

pub(super) type Checked<T> = Result<T, Refused>;

/// A value and where it stands, under which key.
#[derive(Clone, Debug)]
pub(super) struct Placed<T> {
    pub(super) key: &'static str,
    pub(super) at: Span,
    pub(super) value: T,
}

impl<T> Placed<T> {
    pub(super) fn with<U>(self, value: U) -> Placed<U> {
        Placed { key: self.key, at: self.at, value }
    }
}

pub(super) struct Fault {
    pub(super) at: Span,
    pub(super) message: String,
    /// Another place that the message speaks of, and what to call it there.
    pub(super) beside: Option<(Span, &'static str)>,
}

pub(super) struct Faults {
    lines: Lines,
    found: Vec<Fault>,
}

impl Faults {
    pub(super) fn of(text: &str) -> Self {
        Self { lines: Lines::of(text), found: Vec::new() }
    }

    pub(super) fn report(&mut self, at: Span, message: impl Into<String>) {
        self.found.push(Fault { at, message: message.into(), beside: None });
    }

    /// Reports what stands at `at` because of what stands at `other`.
    pub(super) fn report_beside(
        &mut self,
        at: Span,
        (other, label): (&Span, &'static str),
        message: impl Into<String>,
    ) {
        self.found.push(Fault { at, message: message.into(), beside: Some((other.clone(), label)) });
    }

    /// Reports, where a value was to come of it.
    pub(super) fn refuse<T>(&mut self, at: Span, message: impl Into<String>) -> Checked<T> {
        self.report(at, message);
        Err(Refused(()))
    }

    pub(super) fn refuse_beside<T>(
        &mut self,
        at: Span,
        other: (&Span, &'static str),
        message: impl Into<String>,
    ) -> Checked<T> {
        self.report_beside(at, other, message);
        Err(Refused(()))
    }

    /// The line of a span, for messages that name a second place.
    pub(super) fn line_of(&self, span: &Span) -> usize {
        self.lines.number(span.start)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// In the order of the file.
    pub(super) fn into_sorted(self) -> Vec<Fault> {
        let mut found = self.found;
        found.sort_by_key(|fault| fault.at.start);
        found
    }
}

/// Where each line starts.
pub(super) struct Lines(Vec<usize>);

impl Lines {
    pub(super) fn of(text: &str) -> Self {
        let after_newlines =
            text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Self(std::iter::once(0).chain(after_newlines).collect())
    }

    /// From 1.
    pub(super) fn number(&self, offset: usize) -> usize {
        self.0.partition_point(|start| *start <= offset)
    }

    /// Where the line of a number starts.
    pub(super) fn start(&self, number: usize) -> usize {
        self.0.get(number.saturating_sub(1)).copied().unwrap_or(0)
    }

    /// Where the line after that number starts; the text's end for the last line.
    pub(super) fn end(&self, number: usize, text: &str) -> usize {
        self.0.get(number).copied().unwrap_or(text.len())
    }
}

/// What a person wrote, fit for one line of a message.
pub(super) fn shown(text: &str) -> String {
    const LONGEST: usize = 80;
    let escaped = || text.chars().flat_map(escaped);
    match escaped().count() {
        0..=LONGEST => escaped().collect(),
        _ => escaped().take(LONGEST).chain("...".chars()).collect(),
    }
}

/// Quotes need no escape between backticks.
fn escaped(c: char) -> impl Iterator<Item = char> {
    let plain = matches!(c, '"' | '\'').then_some(c);
    let escaped = plain.is_none().then(|| c.escape_debug());
    plain.into_iter().chain(escaped.into_iter().flatten())
}

/// `a`, `b`, `c` in backticks.
pub(super) fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<_> = names.into_iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}
