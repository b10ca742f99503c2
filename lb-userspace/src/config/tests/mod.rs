//! What is accepted and what comes of it, what is refused and how that reads.

mod alone;
mod files;
mod health;
mod ports;
mod properties;
mod shape;
mod sizes;
mod together;
mod whole;

use super::{ConfigErrors, checked::Config, parse};

/// The least that is a configuration with traffic.
const SMALL: &str = r#"[node]
interfaces = ["eth1"]
seed = "sixteen letters."

[encapsulation]
ipv4_source = "10.77.0.0/16"

[[listener]]
name = "web"
address = "198.51.100.10"
port = 80
protocol = "tcp"
target_group = "trainers"

[[target_group]]
name = "trainers"
forwarding = "ipip"
[[target_group.target]]
address = "10.2.1.2"
port = 80
"#;

/// `SMALL` with one place changed. The place must be there, once.
fn changed(from: &str, to: &str) -> String {
    edited(SMALL, &[(from, to)])
}

fn edited(text: &str, edits: &[(&str, &str)]) -> String {
    edits.iter().fold(text.to_owned(), |text, (from, to)| {
        assert_eq!(text.matches(from).count(), 1, "`{from}` is in the text once");
        text.replace(from, to)
    })
}

fn accepted(text: &str) -> Config {
    parse(text, "file.toml").unwrap_or_else(|errors| panic!("accepted:\n{text}\n{errors}"))
}

fn refused(text: &str) -> ConfigErrors {
    match parse(text, "file.toml") {
        Ok(config) => panic!("refused:\n{text}\n{config:?}"),
        Err(errors) => errors,
    }
}

/// The first line of each fault.
fn faults(text: &str) -> Vec<String> {
    let errors = refused(text);
    let lines = errors.faults().iter();
    lines.map(|fault| format!("{}:{}: {}", fault.line, fault.column, fault.message)).collect()
}

/// Writes each value in the place of `from` in `text`; `at` is where it stands.
fn each_is_refused(text: &str, from: &str, at: &str, cases: &[(&str, &str)]) {
    for (written, message) in cases {
        let text = edited(text, &[(from, written)]);
        assert_eq!(faults(&text), [format!("{at}: {message}")], "{written}");
    }
}

fn each_is_accepted(text: &str, from: &str, cases: &[&str]) {
    for written in cases {
        accepted(&edited(text, &[(from, written)]));
    }
}

/// `SMALL` and a table; its lines start at 21.
fn with(table: &str) -> String {
    format!("{SMALL}{table}\n")
}
