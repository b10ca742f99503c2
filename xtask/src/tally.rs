//! What the `test result:` lines of many test programs come to together.

use std::fmt;

/// How many tests did what.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) ignored: u64,
}

impl Tally {
    /// Takes one line of a test program's output. Lines that are no result count nothing.
    pub(crate) fn line(&mut self, line: &str) {
        // "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s"
        let Some((_verdict, counts)) =
            line.strip_prefix("test result: ").and_then(|rest| rest.split_once(". "))
        else {
            return;
        };
        for count in counts.split(';') {
            let mut words = count.split_whitespace();
            let (Some(number), Some(what)) =
                (words.next().and_then(|word| word.parse::<u64>().ok()), words.next())
            else {
                continue;
            };
            match what {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.ignored += number,
                _ => {}
            }
        }
    }

    /// Tests that ran. An ignored test did not.
    pub(crate) const fn ran(&self) -> u64 {
        self.passed + self.failed
    }
}

/// The closing line of `cargo xtask test`, which CI reads.
impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { passed, failed, ignored } = self;
        write!(f, "{passed} passed, {failed} failed, {ignored} skipped")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_several_programs_add_up() {
        let mut tally = Tally::default();
        for line in [
            "running 4 tests",
            "test slot::tests::round_trip ... ok",
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s",
            "   Doc-tests pointsman",
            "test result: FAILED. 12 passed; 2 failed; 0 ignored; 0 measured; 9 filtered out; finished in 41.20s",
        ] {
            tally.line(line);
        }
        assert_eq!(tally, Tally { passed: 15, failed: 2, ignored: 1 });
        assert_eq!(tally.to_string(), "15 passed, 2 failed, 1 skipped");
        assert_eq!(tally.ran(), 17);
    }

    #[test]
    fn what_only_looks_like_a_result_counts_nothing() {
        let mut tally = Tally::default();
        for line in [
            "",
            "test result:",
            "test result: ok",
            "  test result: ok. 5 passed; 0 failed",
            "test result_of_probe ... ok. 3 passed; 1 failed",
            "test result: ok. many passed; few failed",
        ] {
            tally.line(line);
        }
        assert_eq!(tally, Tally::default());
    }
}
