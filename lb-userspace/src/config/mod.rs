//! The configuration: `raw` is what the file says, `checked` is what cannot be wrong.
//!
//! A file is refused whole, with all its faults at once: `read` finds those of shape, `check` those of
//! meaning, `faults` collects them and `error` shows them beside the lines they stand in.

mod check;
pub mod checked;
mod error;
mod faults;
mod raw;
mod read;
mod secret;
#[cfg(test)]
mod tests;

use std::{fs, path::Path};

use toml::de::DeTable;

pub use self::error::{ConfigError, ConfigErrors, Located};
use self::{checked::Config, faults::Faults, raw::RawConfig};

/// Reads a file, and the seed's file if it names one.
pub fn load(path: &Path) -> Result<Config, ConfigError> {
    let bytes = fs::read(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    let file = path.display().to_string();
    match str::from_utf8(&bytes) {
        Ok(text) => Ok(parse(text, &file)?),
        Err(error) => {
            let text = String::from_utf8_lossy(&bytes);
            Err(not_utf8(&text, error.valid_up_to(), &file).into())
        }
    }
}

/// `file` is what the errors call it, and where a relative path in it starts.
pub fn parse(text: &str, file: &str) -> Result<Config, ConfigErrors> {
    let mut faults = Faults::of(text);
    let (document, errors) = DeTable::parse_recoverable(text);
    // What could be read of a broken file would be blamed for what could not.
    if !errors.is_empty() {
        syntax(errors, &mut faults);
        return Err(ConfigErrors::new(file, text, faults));
    }
    let raw = RawConfig::read(document.into_inner(), &mut faults);
    let home = Path::new(file).parent().unwrap_or(Path::new(""));
    match check::check(raw, home, &mut faults) {
        Ok(config) if faults.is_empty() => Ok(config),
        Ok(_) | Err(_) => Err(ConfigErrors::new(file, text, faults)),
    }
}

/// One fault a line: what follows a syntax error is often its echo.
fn syntax(errors: Vec<toml::de::Error>, faults: &mut Faults) {
    let mut last_line = 0;
    for error in errors {
        let at = error.span().unwrap_or(0..0);
        let line = faults.line_of(&at);
        if line != last_line {
            faults.report(at, format!("not TOML: {}", faults::shown(error.message())));
        }
        last_line = line;
    }
}

fn not_utf8(text: &str, at: usize, file: &str) -> ConfigErrors {
    let mut faults = Faults::of(text);
    let replaced = at..at + char::REPLACEMENT_CHARACTER.len_utf8();
    faults.report(replaced, "a byte that is not UTF-8; allowed: UTF-8, as in all TOML");
    ConfigErrors::new(file, text, faults)
}
