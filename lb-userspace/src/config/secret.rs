//! The seed stays out of what is shown, also when it is on the line that is wrong.

/// The same text, byte for byte as long, with stars for what a `seed` key holds.
pub(super) fn hidden(text: &str) -> String {
    let mut open: Option<&str> = None;
    text.split_inclusive('\n').map(|line| hide_line(line, &mut open)).collect()
}

/// `open` is the quote of a string that goes on from line to line.
fn hide_line(line: &str, open: &mut Option<&'static str>) -> String {
    let from = match open {
        Some(_) => Some(0),
        None => value_of_seed(line),
    };
    let Some(from) = from else { return line.to_owned() };
    let (kept, secret) = line.split_at(from);
    *open = still_open(secret, *open);
    let stars = secret.bytes().map(|byte| if matches!(byte, b'\r' | b'\n') { char::from(byte) } else { '*' });
    kept.chars().chain(stars).collect()
}

/// Where the value starts in a line that sets `seed`, or what a typing error makes of it.
fn value_of_seed(line: &str) -> Option<usize> {
    line.match_indices('=').find_map(|(at, equals)| {
        let before = line.get(..at)?.trim_end_matches([' ', '\t', '"', '\'']);
        let key = before.rsplit(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | '-')).next()?;
        let is_seed = strsim::osa_distance(&key.to_lowercase(), "seed") <= 1;
        let blank = line.get(at + equals.len()..)?.bytes().take_while(|byte| *byte == b' ').count();
        is_seed.then_some(at + equals.len() + blank)
    })
}

/// Without a parser's eyes: one more than needed is hidden rather than one less.
fn still_open(secret: &str, open: Option<&'static str>) -> Option<&'static str> {
    const QUOTES: [&str; 2] = ["\"\"\"", "'''"];
    match open {
        Some(quote) => (!secret.contains(quote)).then_some(quote),
        None => {
            let quote = QUOTES.into_iter().find(|quote| secret.trim_start().starts_with(quote))?;
            (secret.matches(quote).count() == 1).then_some(quote)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::hidden;

    #[test]
    fn the_seed_is_hidden_and_nothing_moves() {
        let cases = [
            ("seed = \"abc\"\nport = 1\n", "seed = *****\nport = 1\n"),
            ("seed=\"a b\" # c\r\nx = 1", "seed=*********\r\nx = 1"),
            ("node = { seed = \"abc\", x = 1 }", "node = { seed = **************"),
            ("node.\"seed\" = \"ü\"", "node.\"seed\" = ****"),
            ("seed = \"\"\"\nabc\n\"\"\"\nx = 1", "seed = ***\n***\n***\nx = 1"),
            ("seed = '''abc'''\nx = 1", "seed = *********\nx = 1"),
            ("sede = \"abc\"", "sede = *****"),
            ("Seed = \"a = b\"", "Seed = *******"),
            ("seed_file = \"abc\"\nmyseed = 1\n# seed", "seed_file = \"abc\"\nmyseed = 1\n# seed"),
        ];
        for (text, expected) in cases {
            assert_eq!(hidden(text), expected);
            assert_eq!(hidden(text).len(), text.len());
        }
    }
}
