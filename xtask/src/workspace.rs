//! Where things lie: the workspace, what cargo builds, the tools built for it.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// The workspace's root.
pub(crate) fn root() -> &'static Path {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest)
}

/// Cargo's build folder: `CARGO_TARGET_DIR`, which cargo reads relative to where it starts, or `target/`.
pub(crate) fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |named| root().join(named))
}

/// The root of what is installed for this workspace alone, in the shape of `cargo install --root`.
pub(crate) fn tools() -> PathBuf {
    target().join("tools")
}

pub(crate) fn tools_bin() -> PathBuf {
    tools().join("bin")
}

/// The toolchain that `rust-toolchain.toml` pins.
pub(crate) fn channel() -> Result<String> {
    let file = root().join("rust-toolchain.toml");
    let text = fs::read_to_string(&file).with_context(|| format!("read `{}`", file.display()))?;
    channel_of(&text).with_context(|| format!("`{}` pins no `channel`", file.display()))
}

/// Reads the one line that matters: a TOML parser would be this crate's heaviest dependency.
fn channel_of(text: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once('=')?;
        let value = value.trim().strip_prefix('"')?;
        let (channel, _comment) = value.split_once('"')?;
        (key.trim() == "channel" && !channel.is_empty()).then(|| channel.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channel_is_read_past_comments_and_spaces() {
        let text =
            "# channel = \"nightly\"\n[toolchain]\n  channel=  \"1.95.0\" # pinned\nprofile = \"minimal\"\n";
        assert_eq!(channel_of(text).as_deref(), Some("1.95.0"));
    }

    #[test]
    fn file_without_channel_has_none() {
        for text in ["", "[toolchain]\npath = \"/opt/rust\"\n", "channel = \"\"\n", "channel = 1.95\n"] {
            assert_eq!(channel_of(text), None, "{text:?}");
        }
    }

    #[test]
    fn this_workspace_pins_a_channel() {
        assert!(channel().is_ok());
    }
}
