use lb_common::{ids::TargetId, verdict::target_line};

use super::*;

#[test]
fn what_is_written_is_read_back() {
    let status = sample::status();
    let text = serde_json::to_string(&status).unwrap();
    assert_eq!(serde_json::from_str::<Status>(&text).unwrap(), status);
}

/// A daemon may be newer than the command that asks it.
#[test]
fn fields_that_are_not_known_are_passed_over() {
    let mut value = serde_json::to_value(sample::status()).unwrap();
    value["target_groups"][0]["zonal_shift"] = serde_json::json!({ "zone": "a" });
    assert_eq!(serde_json::from_value::<Status>(value).unwrap(), sample::status());
}

#[test]
fn the_spelling_is_the_one_that_the_docs_promise() {
    let value = serde_json::to_value(sample::status()).unwrap();
    assert_eq!(value["node"]["started"], "2026-03-01T12:00:00.000Z");
    assert_eq!(value["node"]["interfaces"][0]["mode"], "driver");
    assert_eq!(value["listeners"][0]["address"], "198.51.100.10");
    assert_eq!(value["listeners"][0]["protocol"], "tcp");
    assert_eq!(value["target_groups"][0]["forwarding"], "ipip");
    let target = &value["target_groups"][0]["targets"][3];
    assert_eq!(target["state"], "unhealthy");
    assert_eq!(target["reason"], "Target.Timeout");
    assert_eq!(target["next_hop"], serde_json::Value::Null);
    assert_eq!(value["verdicts"]["not-ours"]["packets"], 421);
    for state in State::ALL {
        assert_eq!(serde_json::to_value(state).unwrap(), state.word());
    }
}

#[test]
fn a_listeners_ports_are_told_as_the_configuration_writes_them() {
    let [mut web, _, statsd] = <[Listener; 3]>::try_from(sample::status().listeners).unwrap();
    assert_eq!((web.ports(), statsd.ports()), ("80".to_owned(), "0".to_owned()));
    web.last_port = Some(89);
    assert_eq!(web.ports(), "80-89");
}

#[test]
fn every_counter_line_is_in_one_verdict_or_note() {
    let first = u64::from(Verdict::COUNT + Note::COUNT);
    let targets = 3;
    let lines = lb_common::verdict::counter_lines(targets);
    let counters: Vec<Tally> = (1..=u64::from(lines))
        .map(|line| Tally { packets: line, bytes: 100 * line, new_flows: 1_000_000 })
        .collect();
    let verdicts = verdicts(&counters);

    assert_eq!(verdicts.len(), Verdict::ALL.len() + 2);
    for (line, verdict) in Verdict::ALL.iter().enumerate() {
        let packets = line as u64 + 1;
        assert_eq!(verdicts[verdict.name()], Traffic { packets, bytes: 100 * packets });
    }
    assert_eq!(verdicts[FORWARDED].packets, (first + 1) + (first + 3) + (first + 5) + (first + 7));
    assert_eq!(verdicts[RETURNED].packets, (first + 2) + (first + 4) + (first + 6) + (first + 8));
    let notes = notes(&counters);
    assert_eq!(notes.len(), Note::ALL.len());
    for (line, note) in Note::ALL.iter().enumerate() {
        assert_eq!(notes[note.name()], u64::from(Verdict::COUNT) + line as u64 + 1);
    }
    let sum = |of: fn(&Traffic) -> u64| verdicts.values().map(of).sum::<u64>();
    assert_eq!(sum(|it| it.packets) + notes.values().sum::<u64>(), (1..=u64::from(lines)).sum::<u64>());
}

#[test]
fn a_targets_line_is_counted_in_its_direction() {
    let lines = lb_common::verdict::counter_lines(2);
    for (direction, name) in [(Direction::ToTarget, FORWARDED), (Direction::FromTarget, RETURNED)] {
        let line = target_line(TargetId::new(2).unwrap(), direction) as usize;
        let mut counters: Vec<Tally> =
            (0..lines).map(|_| Tally { packets: 0, bytes: 0, new_flows: 0 }).collect();
        counters[line].packets = 7;
        let verdicts = verdicts(&counters);
        let seen: Vec<_> = verdicts.iter().filter(|(_, it)| it.packets > 0).collect();
        assert_eq!(seen, [(&name.to_owned(), &Traffic { packets: 7, bytes: 0 })]);
    }
}

/// No verdict may take the name of a sum.
#[test]
fn the_sums_have_names_of_their_own() {
    assert!(Verdict::ALL.iter().all(|verdict| ![FORWARDED, RETURNED].contains(&verdict.name())));
}
