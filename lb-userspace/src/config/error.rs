//! Shows what was refused: a line that tools can read, then the place in the file for people.

use std::{error::Error, fmt, io, path::PathBuf};

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::{
    faults::{Fault, Faults, Lines, Span},
    secret,
};

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("read `{path}`")]
    Read { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Refused(#[from] ConfigErrors),
}

/// All faults of a file, in its order; at least one.
#[derive(Debug)]
pub struct ConfigErrors {
    file: String,
    /// What the file holds, the secret hidden.
    shown: String,
    faults: Vec<Located>,
}

/// A fault in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// What is wrong, and what is allowed: one line.
    pub message: String,
    excerpt: Option<Excerpt>,
}

/// The lines that a fault speaks of: a file may have a million more.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Excerpt {
    first_line: usize,
    lines: Span,
    /// Within the lines, like the other.
    at: Span,
    beside: Option<(Span, &'static str)>,
}

/// A second place further away than this is not shown; a million faults that point to it cost too much.
const FAR: usize = 500;

impl ConfigErrors {
    pub(super) fn new(file: &str, text: &str, faults: Faults) -> Self {
        let lines = Lines::of(text);
        let faults = faults.into_sorted().into_iter().map(|fault| locate(fault, text, &lines)).collect();
        Self { file: file.to_owned(), shown: secret::hidden(text), faults }
    }

    pub fn faults(&self) -> &[Located] {
        &self.faults
    }

    /// Each fault as `file:line:column: message`, then its lines; colour is for terminals.
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let shown: Vec<_> = self.faults.iter().map(|fault| self.render_one(fault, &renderer)).collect();
        shown.join("\n\n")
    }

    fn render_one(&self, fault: &Located, renderer: &Renderer) -> String {
        let Located { line, column, message, excerpt } = fault;
        let first = format!("{}:{line}:{column}: {message}", self.file);
        let Some(Excerpt { first_line, lines, at, beside }) = excerpt else { return first };
        let beside = beside.iter().map(|(at, label)| AnnotationKind::Context.span(at.clone()).label(*label));
        let snippet = Snippet::source(self.shown.get(lines.clone()).unwrap_or_default())
            .line_start(*first_line)
            .annotation(AnnotationKind::Primary.span(at.clone()))
            .annotations(beside);
        let lines = renderer.render(&[Group::with_level(Level::ERROR).element(snippet)]);
        format!("{first}\n{lines}")
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl Error for ConfigErrors {}

fn locate(fault: Fault, text: &str, lines: &Lines) -> Located {
    let Fault { at, message, beside } = fault;
    let line = lines.number(at.start);
    let before = text.get(lines.start(line)..at.start).unwrap_or_default();
    let column = before.chars().count() + 1;
    let beside = beside.filter(|(other, _)| lines.number(other.start).abs_diff(line) <= FAR);
    let excerpt = (at != (0..0)).then(|| excerpt(at, beside, text, lines));
    Located { line, column, message, excerpt }
}

fn excerpt(at: Span, beside: Option<(Span, &'static str)>, text: &str, lines: &Lines) -> Excerpt {
    let spans = || std::iter::once(&at).chain(beside.iter().map(|(span, _)| span));
    let first_line = lines.number(spans().map(|span| span.start).min().unwrap_or(0));
    let last_line = lines.number(spans().map(|span| span.end.max(span.start + 1) - 1).max().unwrap_or(0));
    let start = lines.start(first_line);
    let within = |span: &Span| span.start - start..span.end - start;
    let (at, beside) = (within(&at), beside.map(|(span, label)| (within(&span), label)));
    Excerpt { first_line, lines: start..lines.end(last_line, text), at, beside }
}
