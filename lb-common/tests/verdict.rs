//! Names and lines of the verdicts.
#![cfg(test)]

use std::collections::BTreeSet;

use lb_common::{
    ids::TargetId,
    verdict::{Direction, NodeVerdict, Note, Verdict, counter_lines, note_line, target_line},
};

fn assert_well_named<'a>(named: impl Iterator<Item = (&'a str, &'a str)>) {
    let (mut names, mut meanings) = (BTreeSet::new(), BTreeSet::new());
    for (name, meaning) in named {
        let kebab = name.split('-').all(|word| {
            !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        });
        assert!(kebab, "`{name}` is not in kebab case");
        assert!(names.insert(name), "`{name}` is the name of two");
        assert!(meanings.insert(meaning), "`{name}` means what another one means");
        assert!(meaning.ends_with('.') && !meaning.contains("  "), "`{name}`: `{meaning}` is no sentence");
    }
}

#[test]
fn every_verdict_and_note_has_a_name_and_a_meaning_of_its_own() {
    assert_well_named(Verdict::ALL.iter().map(|verdict| (verdict.name(), verdict.meaning())));
    assert_well_named(Note::ALL.iter().map(|note| (note.name(), note.meaning())));
    assert_well_named(NodeVerdict::ALL.iter().map(|verdict| (verdict.name(), verdict.meaning())));
}

#[test]
fn every_line_of_the_counters_counts_one_thing() {
    const TARGETS: u32 = 50;
    let verdicts = Verdict::ALL.iter().map(|verdict| verdict.line());
    let targets = (1..=TARGETS).filter_map(TargetId::new).flat_map(|id| {
        [Direction::ToTarget, Direction::FromTarget].map(|direction| target_line(id, direction))
    });
    let notes = Note::ALL.iter().map(|note| note_line(*note));
    let lines = verdicts.chain(notes).chain(targets).collect::<Vec<_>>();
    let distinct = lines.iter().collect::<BTreeSet<_>>();
    assert_eq!(distinct.len(), lines.len(), "no two share a line");
    assert!(lines.iter().all(|line| *line < counter_lines(TARGETS)), "every line is in the map");
    assert_eq!(lines.iter().max(), Some(&(counter_lines(TARGETS) - 1)), "and none is left over at its end");
}

#[test]
fn a_verdicts_line_is_its_place() {
    for (place, verdict) in (0..).zip(Verdict::ALL) {
        assert_eq!(verdict.line(), place);
    }
    for (place, verdict) in (0..).zip(NodeVerdict::ALL) {
        assert_eq!(verdict.line(), place);
    }
}
