//! Whatever the file holds, the answer is a configuration or faults that lie in the file.

use proptest::{prelude::*, sample::Index};

use super::SMALL;
use crate::config::{checked::Config, parse};

const WHOLE: &str = include_str!("../../../../docs/pointsman.toml");

/// What a fault must be, whatever it says.
fn answered(text: &str) -> Result<(), TestCaseError> {
    let errors = match parse(text, "file.toml") {
        Ok(config) => return resolved(&config),
        Err(errors) => errors,
    };
    prop_assert!(!errors.faults().is_empty());
    let lines: Vec<_> = text.split('\n').collect();
    for fault in errors.faults() {
        prop_assert!((1..=lines.len()).contains(&fault.line), "{fault:?}");
        let columns = lines[fault.line - 1].chars().count() + 1;
        prop_assert!((1..=columns).contains(&fault.column), "{fault:?}");
        prop_assert!(!fault.message.chars().any(char::is_control), "{fault:?}");
    }
    prop_assert_eq!(&errors.to_string(), &errors.render(false));
    errors.render(true);
    Ok(())
}

/// What the rest of the daemon counts on.
fn resolved(config: &Config) -> Result<(), TestCaseError> {
    for listener in config.listeners.values() {
        prop_assert!(config.target_groups.contains_key(&listener.target_group));
    }
    let slots: u64 = config.target_groups.values().map(|group| u64::from(group.ring_slots)).sum();
    prop_assert!(slots <= u64::from(config.limits.slots));
    prop_assert!(config.node.seed.0.chars().count() >= 16);
    Ok(())
}

/// Pieces that steer a mutation to where the parser has decisions to make.
fn piece() -> impl Strategy<Value = String> {
    let words = [
        "",
        "\"",
        "'",
        "\"\"\"",
        "=",
        "[",
        "]",
        "[[",
        "]]",
        "{",
        "}",
        ",",
        ".",
        "#",
        "\n",
        "\r\n",
        "\t",
        " ",
        "0",
        "-1",
        "65536",
        "99999999999999999999",
        "1e9",
        "true",
        "1979-05-27",
        "\\u0000",
        "\\",
        "ü",
        "\u{202e}",
        "\u{feff}",
        "seed",
        "[node]",
        "[[listener]]",
        "[[target_group.target]]",
        "tcp",
        "udp",
        "nat",
        "ipip",
        "gue",
        "l2",
        "fd02::2",
        "::1",
        "10.2.1.2",
        "0s",
        "18446744073709551615h",
        "200-",
        "4791",
    ];
    prop_oneof![3 => proptest::sample::select(words.to_vec()).prop_map(str::to_owned), 1 => ".{0,8}"]
}

/// Cuts `length` characters out of `text` at a place, and puts a piece there.
fn mutate(text: &str, (at, length, piece): &(Index, usize, String)) -> String {
    let characters: Vec<char> = text.chars().collect();
    let at = at.index(characters.len() + 1);
    let rest = characters.iter().skip(at + length);
    characters.iter().take(at).copied().chain(piece.chars()).chain(rest.copied()).collect()
}

proptest! {
    #[test]
    fn any_text_is_answered(text in "\\PC{0,200}|(?s).{0,200}") {
        answered(&text)?;
    }

    #[test]
    fn any_text_of_toml_pieces_is_answered(pieces in prop::collection::vec(piece(), 0..60)) {
        answered(&pieces.concat())?;
    }

    #[test]
    fn a_mutated_configuration_is_answered(
        base in proptest::sample::select(vec![SMALL, WHOLE]),
        mutations in prop::collection::vec((any::<Index>(), 0_usize..12, piece()), 1..4),
    ) {
        answered(&mutations.iter().fold(base.to_owned(), |text, mutation| mutate(&text, mutation)))?;
    }

    #[test]
    fn a_configuration_with_lines_lost_or_doubled_is_answered(
        base in proptest::sample::select(vec![SMALL, WHOLE]),
        times in prop::collection::vec(prop_oneof![8 => Just(1_usize), 1 => Just(0), 1 => Just(2)], 120),
    ) {
        let lines = base.lines().zip(times).flat_map(|(line, times)| vec![line; times]);
        answered(&lines.collect::<Vec<_>>().join("\n"))?;
    }
}

/// Bytes, not text: what `load` meets.
mod bytes {
    use std::fs;

    use super::{WHOLE, any, prop, proptest};
    use crate::config::load;

    proptest! {
        #[test]
        fn a_file_of_any_bytes_is_answered(
            at in any::<prop::sample::Index>(),
            bytes in prop::collection::vec(any::<u8>(), 0..16),
        ) {
            let mut file = WHOLE.as_bytes().to_vec();
            let at = at.index(file.len());
            file.splice(at..at, bytes);
            let path = std::env::temp_dir().join(format!("pointsman-config-{}-bytes.toml", std::process::id()));
            fs::write(&path, &file)?;
            let answer = load(&path);
            fs::remove_file(&path)?;
            drop(answer.map_err(|error| error.to_string()));
        }
    }
}
