//! Tables of aligned text, no wider than the terminal.
//!
//! ASCII only and no lines drawn: what is printed can be searched, cut and mailed.

use unicode_width::UnicodeWidthStr as _;

/// Before each line.
const INDENT: usize = 2;
/// Between columns.
const GAP: usize = 2;
/// A text that is narrower than this is no text any more: rather too wide a line.
const NARROWEST_TEXT: usize = 24;

#[derive(Debug)]
pub(super) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    title: &'static str,
    kind: Kind,
    /// The column with the highest rank is left out first when there is no room; rank 0 never.
    rank: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Word,
    Number,
    /// The last column: goes on in the next line when it is too long.
    Text,
}

impl Column {
    /// Aligned to the left.
    pub(super) const fn word(title: &'static str) -> Self {
        Self { title, kind: Kind::Word, rank: 0 }
    }

    /// Aligned to the right.
    pub(super) const fn number(title: &'static str) -> Self {
        Self { title, kind: Kind::Number, rank: 0 }
    }

    pub(super) const fn text(title: &'static str) -> Self {
        Self { title, kind: Kind::Text, rank: 0 }
    }

    /// Left out when there is no room, those of a higher rank before.
    pub(super) const fn dispensable(self, rank: u8) -> Self {
        Self { rank, ..self }
    }
}

impl Table {
    pub(super) fn new(columns: Vec<Column>) -> Self {
        Self { columns, rows: Vec::new() }
    }

    /// A cell for each column.
    pub(super) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The lines, and the titles of columns for which there is no room. Without a width there is always room.
    pub(super) fn fitted(mut self, width: Option<usize>) -> (String, Vec<&'static str>) {
        let mut left_out = Vec::new();
        while self.least_width() > width.unwrap_or(usize::MAX)
            && let Some(place) = self.most_dispensable()
        {
            left_out.push(self.columns.remove(place).title);
            for row in self.rows.iter_mut().filter(|row| place < row.len()) {
                row.remove(place);
            }
        }
        left_out.reverse();
        (self.lines(width), left_out)
    }

    fn most_dispensable(&self) -> Option<usize> {
        let dispensable = self.columns.iter().enumerate().filter(|(_, column)| column.rank > 0);
        dispensable.max_by_key(|(_, column)| column.rank).map(|(place, _)| place)
    }

    fn widths(&self) -> Vec<usize> {
        let widest = |(place, column): (usize, &Column)| {
            let cells = self.rows.iter().filter_map(|row| row.get(place)).map(|cell| cell.width());
            cells.chain([column.title.width()]).max().unwrap_or_default()
        };
        self.columns.iter().enumerate().map(widest).collect()
    }

    /// How wide it is with its text as narrow as can be.
    fn least_width(&self) -> usize {
        let widths = self.columns.iter().zip(self.widths()).map(|(column, width)| match column.kind {
            Kind::Text => width.min(NARROWEST_TEXT),
            Kind::Word | Kind::Number => width,
        });
        INDENT + widths.sum::<usize>() + GAP * self.columns.len().saturating_sub(1)
    }

    fn lines(&self, width: Option<usize>) -> String {
        let widths = self.widths();
        let titles: Vec<String> = self.columns.iter().map(|column| column.title.to_owned()).collect();
        let mut lines = String::new();
        for row in [&titles].into_iter().chain(&self.rows) {
            self.line(row, &widths, width, &mut lines);
        }
        lines
    }

    fn line(&self, cells: &[String], widths: &[usize], width: Option<usize>, lines: &mut String) {
        let mut line = " ".repeat(INDENT);
        for ((cell, column), room) in cells.iter().zip(&self.columns).zip(widths) {
            let padding = " ".repeat(room.saturating_sub(cell.width()));
            match column.kind {
                Kind::Word => line.extend([cell.as_str(), &padding]),
                Kind::Number => line.extend([padding.as_str(), cell]),
                Kind::Text => {
                    let here = line.width();
                    line.push_str(&wrapped(cell, here, here, width));
                }
            }
            line.push_str(&" ".repeat(GAP));
        }
        lines.push_str(line.trim_end());
        lines.push('\n');
    }
}

/// A text that begins in column `start`; the lines that it goes on in begin in column `indent`.
pub(super) fn wrapped(text: &str, start: usize, indent: usize, width: Option<usize>) -> String {
    let width = width.map_or(usize::MAX, |width| width.max(indent + NARROWEST_TEXT));
    let mut lines = String::new();
    let mut column = start;
    let mut separator = "";
    for word in text.split_whitespace() {
        if !separator.is_empty() && column + separator.len() + word.width() > width {
            lines.push('\n');
            lines.push_str(&" ".repeat(indent));
            (column, separator) = (indent, "");
        }
        lines.extend([separator, word]);
        column += separator.len() + word.width();
        separator = " ";
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(vec![
            Column::word("NAME"),
            Column::word("ADDRESS").dispensable(1),
            Column::number("PACKETS"),
            Column::number("BYTES").dispensable(2),
        ]);
        table.row(["node-1", "10.2.1.2:80", "12.3 k", "1 B"].map(str::to_owned).to_vec());
        table.row(["n", "[fd02::2]:80", "7", "12.3 kB"].map(str::to_owned).to_vec());
        table
    }

    #[test]
    fn words_stand_left_and_numbers_right() {
        let wide = "  NAME    ADDRESS       PACKETS    BYTES\n  node-1  10.2.1.2:80    12.3 k      1 B\n  n       [fd02::2]:80        7  12.3 kB\n";
        assert_eq!(table().fitted(None), (wide.to_owned(), vec![]));
        assert_eq!(table().fitted(Some(40)), (wide.to_owned(), vec![]), "it just fits");
    }

    #[test]
    fn columns_are_left_out_by_rank() {
        let narrower = "  NAME    ADDRESS       PACKETS\n  node-1  10.2.1.2:80    12.3 k\n  n       [fd02::2]:80        7\n";
        assert_eq!(table().fitted(Some(39)), (narrower.to_owned(), vec!["BYTES"]));
        let least = "  NAME    PACKETS\n  node-1   12.3 k\n  n             7\n";
        assert_eq!(table().fitted(Some(20)), (least.to_owned(), vec!["ADDRESS", "BYTES"]));
        assert_eq!(table().fitted(Some(1)), (least.to_owned(), vec!["ADDRESS", "BYTES"]), "the rest stays");
    }

    #[test]
    fn a_text_goes_on_under_itself() {
        let mut table = Table::new(vec![Column::word("NAME"), Column::text("MEANING")]);
        table.row(vec!["no-target".to_owned(), "The listener's ring is empty: dropped.".to_owned()]);
        let lines =
            "  NAME       MEANING\n  no-target  The listener's ring is\n             empty: dropped.\n";
        assert_eq!(table.fitted(Some(37)).0, lines);
    }

    #[test]
    fn a_text_fills_its_lines() {
        let (text, lines) =
            ("a text of some words in a row, no more", "a text of some words in a row,\n    no more");
        assert_eq!(wrapped(text, 0, 4, Some(30)), lines);
        assert_eq!(wrapped(text, 0, 4, Some(38)), text, "it just fits");
        assert_eq!(wrapped(text, 1, 4, Some(38)), "a text of some words in a row, no\n    more");
        assert_eq!(wrapped(text, 0, 4, None), text);
    }

    #[test]
    fn a_word_without_room_stays_whole() {
        let word = "x".repeat(30);
        assert_eq!(wrapped(&format!("a {word} b"), 0, 2, Some(10)), format!("a\n  {word}\n  b"));
        assert_eq!(wrapped("", 0, 2, Some(10)), "");
    }
}
