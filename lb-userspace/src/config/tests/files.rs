//! Files: the seed's, the broken, the absent; and those of the documentation.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{SMALL, edited};
use crate::config::{
    ConfigError,
    checked::{Config, Seed},
    load, parse,
};

/// A folder of the test's own, gone with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("pointsman-config-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, content).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn with_seed_file(name: &str) -> String {
    edited(SMALL, &[("seed = \"sixteen letters.\"", &format!("seed_file = \"{name}\""))])
}

fn load_with_seed(folder: &Folder, name: &str) -> Result<Config, ConfigError> {
    load(&folder.write("file.toml", with_seed_file(name)))
}

/// The first line, without the folder's name.
fn first_line(folder: &Folder, result: Result<Config, ConfigError>) -> String {
    let text = result.unwrap_err().to_string();
    text.lines().next().unwrap().replace(&folder.0.display().to_string(), "DIR")
}

#[test]
fn a_seed_file_lies_beside_the_configuration_and_its_newline_does_not_count() {
    let folder = Folder::new("seed");
    folder.write("seed", "sixteen letters.\r\n");
    assert_eq!(load_with_seed(&folder, "seed").unwrap().node.seed, Seed("sixteen letters.".to_owned()));
    let absolute = folder.write("other", "sixteen letters.");
    assert_eq!(
        load_with_seed(&folder, absolute.to_str().unwrap()).unwrap().node.seed,
        Seed("sixteen letters.".to_owned())
    );
}

#[test]
fn a_seed_file_that_does_not_serve_is_refused() {
    let folder = Folder::new("no-seed");
    folder.write("short", "fifteen letters\n");
    folder.write("long", "x".repeat(4097));
    folder.write("binary", [0xff; 32]);
    let cases = [
        ("short", "`node.seed_file` has 15 characters; allowed: at least 16"),
        (
            "long",
            "`node.seed_file` is `long`, which cannot be read: more than 4096 bytes; allowed: a file with the secret, readable by the daemon",
        ),
        (
            "binary",
            "`node.seed_file` is `binary`, which cannot be read: stream did not contain valid UTF-8; allowed: a file with the secret, readable by the daemon",
        ),
        (
            "absent",
            "`node.seed_file` is `absent`, which cannot be read: No such file or directory (os error 2); allowed: a file with the secret, readable by the daemon",
        ),
        (
            ".",
            "`node.seed_file` is `.`, which cannot be read: not a regular file; allowed: a file with the secret, readable by the daemon",
        ),
    ];
    for (name, message) in cases {
        let result = load_with_seed(&folder, name);
        assert_eq!(first_line(&folder, result), format!("DIR/file.toml:3:13: {message}"));
    }
}

#[test]
fn of_seed_and_seed_file_there_is_one() {
    let text = edited(SMALL, &[("seed = ", "seed_file = \"seed\"\nseed = ")]);
    let errors = parse(&text, "file.toml").unwrap_err();
    assert_eq!(
        errors.to_string().lines().next(),
        Some("file.toml:3:13: `node.seed` and `node.seed_file` are both set; allowed: one of the two")
    );
}

#[test]
fn a_file_that_is_not_utf8_is_refused_where_it_is_not() {
    let folder = Folder::new("latin1");
    let path = folder.write("file.toml", b"[node]\nseed = \"ok\" # caf\xe9\n");
    let result = load(&path);
    assert_eq!(
        first_line(&folder, result),
        "DIR/file.toml:2:18: a byte that is not UTF-8; allowed: UTF-8, as in all TOML"
    );
}

#[test]
fn an_absent_file_is_named() {
    let error = load(Path::new("/nowhere/pointsman.toml")).unwrap_err();
    assert_eq!(error.to_string(), "read `/nowhere/pointsman.toml`");
    assert!(matches!(error, ConfigError::Read { .. }));
}

#[test]
fn the_documented_example_is_a_configuration() {
    let text = include_str!("../../../../docs/pointsman.toml");
    let config = parse(text, "docs/pointsman.toml").unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!((config.listeners.len(), config.target_groups.len()), (6, 3));
}

/// A line `# key = value` in the example claims to be the default.
#[test]
fn the_documented_example_shows_the_defaults() {
    let text = include_str!("../../../../docs/pointsman.toml");
    let default = |line: &str| {
        line.strip_prefix("# ")
            .filter(|rest| rest.starts_with('[') || rest.contains(" = "))
            .map(str::to_owned)
    };
    let seed_file = |line: &str| line.contains("seed_file");
    let spelled: Vec<_> = text
        .lines()
        .map(|line| default(line).filter(|_| !seed_file(line)).unwrap_or_else(|| line.to_owned()))
        .collect();
    assert_eq!(spelled.iter().zip(text.lines()).filter(|(spelled, line)| spelled != line).count(), 28);
    assert_eq!(parse(&spelled.join("\n"), "f").unwrap(), parse(text, "f").unwrap());
}

/// The page shows what a refusal looks like: this is the refusal.
#[test]
fn the_documented_refusal_is_what_a_refusal_looks_like() {
    let page = include_str!("../../../../docs/config.md");
    let block = |fence: &str| page.split_once(fence).unwrap().1.split_once("```").unwrap().0;
    let refused = parse(block("```toml refused\n"), "pointsman.toml").unwrap_err();
    assert_eq!(format!("{refused}\n"), block("```text refusal\n"));
}
