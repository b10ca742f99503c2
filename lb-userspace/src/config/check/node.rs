//! The node itself, and what it opens for people: `[node]`, `[limits]`, `[api]`, `[metrics]`.

use std::{
    fs::File,
    io::{self, Read as _},
    net::SocketAddr,
    path::{Path, PathBuf},
};

use crate::config::{
    checked::{Api, Limits, Metrics, Node, Seed, XdpMode},
    faults::{Checked, Faults, Placed, Span, shown},
    raw::{RawApi, RawLimits, RawMetrics, RawNode},
    read::{CollectAll as _, Field},
};

const SEED_LENGTH: usize = 16;
/// A seed file is a line; a larger file is some other file.
const SEED_FILE_BYTES: u64 = 4096;

/// `home` is the folder of the configuration file.
pub(super) fn check(raw: Placed<RawNode>, home: &Path, faults: &mut Faults) -> Checked<Node> {
    let Placed { at, value: RawNode { interfaces, seed, seed_file, xdp_mode }, .. } = raw;
    let interfaces = check_interfaces(interfaces, faults);
    let seed = check_seed(&at, seed, seed_file, home, faults);
    let xdp_mode = match xdp_mode.found {
        Ok(None) => Ok(XdpMode::default()),
        Ok(Some(mode)) => mode
            .one_of(&[("driver", XdpMode::Driver), ("generic", XdpMode::Generic)], faults)
            .map(|mode| mode.value),
        Err(refused) => Err(refused),
    };
    Ok(Node { interfaces: interfaces?, seed: seed?, xdp_mode: xdp_mode? })
}

fn check_interfaces(raw: Field<Vec<Placed<String>>>, faults: &mut Faults) -> Checked<Vec<String>> {
    let (key, at) = (raw.key, raw.at.clone());
    let named = raw.required("an array of one or more interface names", faults)?;
    if named.is_empty() {
        return faults.refuse(at, format!("`{key}` is empty; allowed: one or more interface names"));
    }
    let mut seen: Vec<Placed<String>> = Vec::new();
    let checked = named.into_iter().map(|name| {
        let name = check_interface(name, faults)?;
        if let Some(first) = seen.iter().find(|first| first.value == name.value) {
            let message = format!("`{key}` holds `{}` twice; allowed: each interface once", name.value);
            return faults.refuse_beside(name.at, (&first.at, "the first one"), message);
        }
        seen.push(name.clone());
        Ok(name.value)
    });
    checked.collect_all()
}

/// The kernel's own rule (`dev_valid_name`).
fn check_interface(name: Placed<String>, faults: &mut Faults) -> Checked<Placed<String>> {
    let text = &name.value;
    let allowed_character = |c: char| !c.is_whitespace() && !c.is_control() && !matches!(c, '/' | ':');
    let dots = text == "." || text == "..";
    match (1..=15).contains(&text.len()) && !dots && text.chars().all(allowed_character) {
        true => Ok(name),
        false => {
            name.refuse_text("an interface's name: 1 to 15 bytes, no whitespace, no `/`, no `:`", faults)
        }
    }
}

fn check_seed(
    at: &Span,
    seed: Field<Placed<String>>,
    file: Field<Placed<String>>,
    home: &Path,
    faults: &mut Faults,
) -> Checked<Seed> {
    match (seed.found?, file.found?) {
        (Some(seed), None) => long_enough(seed, faults),
        (None, Some(file)) => {
            let text = read_seed(&file, home, faults)?;
            long_enough(file.with(text), faults)
        }
        (Some(seed), Some(file)) => faults.refuse_beside(
            file.at,
            (&seed.at, "the other one"),
            "`node.seed` and `node.seed_file` are both set; allowed: one of the two",
        ),
        (None, None) => faults.refuse(
            at.clone(),
            "`node.seed` is missing; allowed: a secret of at least 16 characters, \
                here or in the file that `node.seed_file` names",
        ),
    }
}

/// The message has the length and not the text: a secret is never printed.
fn long_enough(seed: Placed<String>, faults: &mut Faults) -> Checked<Seed> {
    match seed.value.chars().count() {
        SEED_LENGTH.. => Ok(Seed(seed.value)),
        short => {
            let message = format!("`{}` has {short} characters; allowed: at least {SEED_LENGTH}", seed.key);
            faults.refuse(seed.at, message)
        }
    }
}

fn read_seed(file: &Placed<String>, home: &Path, faults: &mut Faults) -> Checked<String> {
    let path = home.join(&file.value);
    read_line(&path).or_else(|error| {
        let message = format!(
            "`{}` is `{}`, which cannot be read: {error}; \
                allowed: a file with the secret, readable by the daemon",
            file.key,
            shown(&file.value)
        );
        faults.refuse(file.at.clone(), message)
    })
}

fn read_line(path: &Path) -> io::Result<String> {
    // Before it is opened: to open a pipe may wait for ever.
    if !path.metadata()?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let mut text = String::new();
    File::open(path)?.take(SEED_FILE_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > SEED_FILE_BYTES {
        return Err(io::Error::other(format!("more than {SEED_FILE_BYTES} bytes")));
    }
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

pub(super) fn check_limits(raw: Option<RawLimits>, faults: &mut Faults) -> Checked<Limits> {
    let default = Limits { listeners: 1024, range_lists: 256, targets: 16_384, slots: 4_194_304 };
    let Some(RawLimits { listeners, range_lists, targets, slots }) = raw else { return Ok(default) };
    let listeners = listeners.within_or(1..=65_536, default.listeners, faults);
    let range_lists = range_lists.within_or(1..=65_536, default.range_lists, faults);
    // Two, since half of them rest after a removal.
    let targets = targets.within_or(2..=1 << 20, default.targets, faults);
    let slots = slots.within_or(101..=1 << 27, default.slots, faults);
    Ok(Limits {
        listeners: listeners?.value,
        range_lists: range_lists?.value,
        targets: targets?.value,
        slots: slots?.value,
    })
}

pub(super) fn check_api(raw: Option<RawApi>, faults: &mut Faults) -> Checked<Api> {
    let default = || Ok(Api { socket: PathBuf::from("/run/pointsman/pointsman.sock") });
    let Some(RawApi { socket }) = raw else { return default() };
    let Some(socket) = socket.found? else { return default() };
    // `sun_path` has 108 bytes, the last a zero.
    let fits = (2..=107).contains(&socket.value.len()) && !socket.value.contains('\0');
    match socket.value.starts_with('/') && !socket.value.ends_with('/') && fits {
        true => Ok(Api { socket: PathBuf::from(socket.value) }),
        false => socket.refuse_text("the absolute path of a socket, at most 107 bytes", faults),
    }
}

pub(super) fn check_metrics(raw: RawMetrics, faults: &mut Faults) -> Checked<Metrics> {
    const ALLOWED: &str = "an address and a port, such as `127.0.0.1:9477` or `[::1]:9477`";
    let RawMetrics { listen } = raw;
    let listen = listen.required(ALLOWED, faults)?.parse::<SocketAddr>(ALLOWED, faults)?;
    match listen.value.port() {
        0 => listen.refuse("a port from 1 to 65535", faults),
        _ => Ok(Metrics { listen: listen.value }),
    }
}
