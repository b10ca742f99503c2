//! Refusals as people see them, to the letter.

use super::{SMALL, changed, edited, refused};

#[test]
fn a_fault_is_a_line_and_its_place_in_the_file() {
    assert_eq!(
        refused(&changed("target_group = \"trainers\"", "target_group = \"trainer\"")).to_string(),
        "\
file.toml:13:16: listener `web` forwards to target group `trainer`, which is not defined; defined: `trainers`
   |
13 | target_group = \"trainer\"
   |                ^^^^^^^^^"
    );
}

#[test]
fn all_faults_are_shown_in_the_order_of_the_file_and_what_they_speak_of_beside_them() {
    let text = edited(
        SMALL,
        &[
            ("[\"eth1\"]", "[\"eth1\", \"eth1\"]"),
            ("port = 80\nprotocol = \"tcp\"", "port = 80\nprotocl = \"tcp\""),
        ],
    );
    let second = "[[target_group.target]]\naddress = \"10.2.1.2\"\nport = 80\n";
    assert_eq!(
        refused(&format!("{text}{second}")).to_string(),
        "\
file.toml:2:23: `node.interfaces` holds `eth1` twice; allowed: each interface once
  |
2 | interfaces = [\"eth1\", \"eth1\"]
  |               ------  ^^^^^^
  |               |
  |               the first one

file.toml:8:1: `listener.protocol` is missing; allowed: `tcp`, `udp`
  |
8 | [[listener]]
  | ^^^^^^^^^^^^

file.toml:12:1: `protocl` is no key of `[[listener]]`; did you mean `protocol`?
   |
12 | protocl = \"tcp\"
   | ^^^^^^^

file.toml:21:1: target 10.2.1.2:80 is in line 18 of this group already; allowed: each address and port once
   |
18 | [[target_group.target]]
   | ----------------------- the first one
...
21 | [[target_group.target]]
   | ^^^^^^^^^^^^^^^^^^^^^^^"
    );
}

#[test]
fn the_seed_is_in_no_refusal() {
    let cases = [
        ("seed = \"sixteen letters.\"", "seed = \"not sixteen\""),
        ("seed = \"sixteen letters.\"", "seed = \"sixteen letters."),
        ("seed = \"sixteen letters.\"", "sede = \"sixteen letters.\""),
        ("seed = \"sixteen letters.\"", "seed = [\"sixteen letters.\"]"),
        ("seed = \"sixteen letters.\"", "seed = \"\"\"\nsixteen\"\"\""),
        (
            "[node]\ninterfaces = [\"eth1\"]\nseed = \"sixteen letters.\"",
            "node = { seed = \"sixteen letters.\", seeed = 1 }",
        ),
    ];
    for (from, to) in cases {
        let errors = refused(&changed(from, to));
        for shown in [errors.to_string(), errors.render(true), format!("{errors:?}")] {
            assert!(!shown.contains("sixteen"), "{shown}");
        }
    }
}

#[test]
fn colour_is_for_terminals() {
    let errors = refused("");
    assert!(!errors.render(false).contains('\u{1b}'));
    let errors = refused(&changed("\"tcp\"", "\"sctp\""));
    assert!(!errors.render(false).contains('\u{1b}'));
    assert!(errors.render(true).contains('\u{1b}'));
    let first = |colour: bool| errors.render(colour).lines().next().map(str::to_owned);
    assert_eq!(first(true), first(false), "tools read the first line");
}

#[test]
fn a_wide_or_broken_line_keeps_its_place() {
    let text = changed("protocol = \"tcp\"", "protocol = \"\\u0007ü→\\n\" # \t…");
    let errors = refused(&text);
    assert_eq!(
        errors.to_string().lines().next(),
        Some("file.toml:12:12: `listener.protocol` is `\\u{7}ü→\\n`; allowed: `tcp`, `udp`")
    );
}

#[test]
fn what_is_far_away_is_named_and_not_shown() {
    let comments = "# nothing\n".repeat(600);
    let text = format!("{SMALL}{comments}[[target_group.target]]\naddress = \"10.2.1.2\"\nport = 80\n");
    assert_eq!(
        refused(&text).to_string(),
        "\
file.toml:621:1: target 10.2.1.2:80 is in line 18 of this group already; allowed: each address and port once
    |
621 | [[target_group.target]]
    | ^^^^^^^^^^^^^^^^^^^^^^^"
    );
}
